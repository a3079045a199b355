"""The real server's code, called in process: same parsing, same transactions, same answers."""

from __future__ import annotations

import json
from pathlib import Path

from app.core.collections import registry
from app.core.messages import COLLECTION
from app.errors import InvalidInput
from app.ports import HttpResponse
from app.protocol import PROTOCOL
from server.database import Database
from server.exchange import answer
from server.history import begin_epoch
from server.identity import LOCAL
from server.migrations import migrate
from server.problems import RequestRefused
from server.sync import parse_request
from tests.fakes import FakeClock, error_answer, json_answer


class Loopback:
    """A server on a database file of its own, with virtual time."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self._clock = clock
        self._file = folder / "server.db"
        self._open()

    def _open(self) -> None:
        self._database = Database(f"sqlite:///{self._file}")
        migrate(self._database)

    def __call__(self, method: str, url: str, body: str | None) -> HttpResponse:
        if url.endswith("/health"):
            return json_answer(200, {"status": "ok"})
        try:
            asked = parse_request((body or "").encode())
        except RequestRefused as error:
            return error_answer(error.status, error.code, error.fields)
        except InvalidInput as error:
            return error_answer(422, "invalid", error.fields)
        now = self._clock.now() * 1000
        work = self._database.write if asked.actions else self._database.read
        answered = work(lambda connection: answer(connection, LOCAL, registry, asked, now))
        return HttpResponse(200, answered.model_dump_json(), {"content-type": "application/json"})

    def texts(self) -> list[str]:
        """Return the texts of all messages in the server's order."""
        body = json.dumps({"protocol": PROTOCOL, "client_id": "reader", "cursor": None})
        rows = json.loads(self("POST", "/api/sync", body).body)["rows"]
        return [row["data"]["text"] for row in rows if row["collection"] == COLLECTION]

    def back_up(self) -> str:
        """Copy the database as it is now; returns the copy's name."""
        self._database.close()
        copy = self._file.with_name("backup.db")
        copy.write_bytes(self._file.read_bytes())
        self._open()
        return copy.name

    def restore(self, backup: str) -> None:
        """Put a backup back, as docs/operations.md says, with a new epoch."""
        self._database.close()
        for beside in self._file.parent.glob(f"{self._file.name}*"):
            beside.unlink()
        self._file.write_bytes(self._file.with_name(backup).read_bytes())
        self._open()
        self._database.write(begin_epoch)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

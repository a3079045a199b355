"""The real server's code, called in process: same parsing, same transactions, same answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from app.core.collections import registry
from app.core.messages import COLLECTION
from app.errors import InvalidInput
from app.ports import HttpResponse
from app.protocol import PROTOCOL, SyncRequest, SyncResponse
from server.database import Database
from server.exchange import answer
from server.history import begin_epoch
from server.identity import LOCAL
from server.migrations import migrate
from server.problems import RequestRefused
from server.sync import parse_request
from tests.fakes import FakeClock, error_answer, json_answer
from tests.in_process import AppInProcess


def answer_body(
    body: str | None, answered: Callable[[SyncRequest], SyncResponse | HttpResponse]
) -> HttpResponse:
    """Return the answer to a sync request with this body, as the server's endpoint gives it."""
    try:
        asked = parse_request((body or "").encode())
    except RequestRefused as error:
        return error_answer(error.status, error.code, error.fields)
    except InvalidInput as error:
        return error_answer(422, "invalid", error.fields)
    response = answered(asked)
    if isinstance(response, HttpResponse):
        return response
    headers = {"content-type": "application/json"}
    return HttpResponse(200, response.model_dump_json(), headers)


class Loopback:
    """A server on a database file of its own, with virtual time."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self._clock = clock
        self._file = folder / "server.db"
        self._app: AppInProcess | None = None
        self._open()

    def _open(self) -> None:
        self._database = Database(f"sqlite:///{self._file}")
        migrate(self._database)

    def __call__(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str] | None = None
    ) -> HttpResponse:
        if url.endswith("/health"):
            return json_answer(200, {"status": "ok"})
        if not url.endswith("/api/sync"):
            return self._plainly(method, url, body, headers or {})
        return answer_body(body, self._answer)

    def _answer(self, asked: SyncRequest) -> SyncResponse:
        now = self._clock.now() * 1000
        work = self._database.write if asked.actions else self._database.read
        return work(lambda connection: answer(connection, LOCAL, registry, asked, now))

    def _plainly(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        """Answer as the whole app does, on the same database."""
        if self._app is None:
            self._app = AppInProcess(f"sqlite:///{self._file}", lambda: self._clock.now() * 1000)
        return self._app.ask(method, url, body, headers)

    def texts(self) -> list[str]:
        """Return the texts of all messages in the server's order."""
        body = json.dumps({"protocol": PROTOCOL, "client_id": "reader", "cursor": None})
        rows = json.loads(self("POST", "/api/sync", body).body)["rows"]
        return [row["data"]["text"] for row in rows if row["collection"] == COLLECTION]

    def back_up(self) -> str:
        """Copy the database as it is now; returns the copy's name."""
        self.close()
        copy = self._file.with_name("backup.db")
        copy.write_bytes(self._file.read_bytes())
        self._open()
        return copy.name

    def restore(self, backup: str, *, new_epoch: bool = True) -> None:
        """Put a backup back, as docs/operations.md says, unless the new epoch is forgotten."""
        self.close()
        for beside in self._file.parent.glob(f"{self._file.name}*"):
            beside.unlink()
        self._file.write_bytes(self._file.with_name(backup).read_bytes())
        self._open()
        if new_epoch:
            self._database.write(begin_epoch)

    def close(self) -> None:
        """Close the database."""
        if self._app is not None:
            self._app.close()
            self._app = None
        self._database.close()

"""The real server's code in front of a database that is not synced to disk, with a ledger.

The ledger records every effect as the server's code makes it, keeps it when the transaction
commits, and drops it when it is undone. Kills are modelled as an undone transaction, or as a lost
answer after the commit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import event, text

from app.core.actions import Registry
from app.errors import InvalidInput
from app.ports import HttpResponse
from app.protocol import Action, Result, Row, SyncRequest, SyncResponse
from server import apply
from server import exchange as server_exchange
from server.database import Database
from server.identity import LOCAL
from server.migrations import migrate
from server.problems import RequestRefused
from server.records import StoredRow
from server.sync import parse_request
from tests.fakes import error_answer, json_answer

ItemKey = tuple[str, str]


class Killed(Exception):
    """The server's process died before the commit."""


@dataclass(frozen=True)
class Effect:
    """One effect of one action, and the row that was there before."""

    client_id: str
    action: Action
    before: StoredRow | None
    row: Row | None

    @property
    def key(self) -> ItemKey:
        """The item's key."""
        return self.action.collection, self.action.item_id


_recording: list[list[Effect]] = []
_write = apply._Batch._write


def _spy(self: Any, action: Action, row: Any, data: Any) -> Result:
    result = _write(self, action, row, data)
    if _recording:
        _recording[-1].append(Effect(self._author.client_id, action, row, result.row))
    return result


apply._Batch._write = _spy  # type: ignore[method-assign]


class Storage:
    """One database for all schedules of a process; emptied before each."""

    def __init__(self) -> None:
        fast = Path("/dev/shm")
        self._folder = tempfile.TemporaryDirectory(dir=fast if fast.is_dir() else None)
        self.database = Database(f"sqlite:///{self._folder.name}/server.db")
        event.listen(
            self.database.engine, "connect", lambda c, _: c.execute("PRAGMA synchronous = OFF")
        )
        migrate(self.database)

    def clear(self) -> None:
        """Forget everything."""

        def job(connection: Any) -> None:
            for table in ("receipts", "rows", "clients", "spaces"):
                connection.execute(text(f"DELETE FROM {table}"))

        self.database.write(job)


_storage: list[Storage] = []


def storage() -> Storage:
    """Return this process's database."""
    if not _storage:
        _storage.append(Storage())
    return _storage[0]


class SimServer:
    """Answers requests as the server does; `committed` hears of the effects of each commit."""

    def __init__(self, registry: Registry, now: Callable[[], int]) -> None:
        self._registry = registry
        self._now = now
        self._database = storage().database
        storage().clear()
        self.poison = True
        self.committed: Callable[[list[Effect]], None] = lambda _: None
        self.verdicts: Callable[[Result], None] = lambda _: None
        self.crashed: Callable[[Exception], None] = lambda _: None

    def __call__(
        self, method: str, url: str, body: str | None, kill_before_commit: bool = False
    ) -> HttpResponse:
        if url.endswith("/health"):
            return json_answer(200, {"status": "ok"})
        try:
            asked = parse_request((body or "").encode())
        except RequestRefused as error:
            return error_answer(error.status, error.code, error.fields)
        except InvalidInput as error:
            return error_answer(422, "invalid", error.fields)
        if self.poison and any(
            (action.data or {}).get("b") == "poison" for action in asked.actions
        ):
            return error_answer(500, "internal")
        try:
            response = self._answer(asked, kill_before_commit)
        except Killed:
            raise
        except Exception as error:
            self.crashed(error)
            return error_answer(500, "internal")
        headers = {"content-type": "application/json"}
        return HttpResponse(200, response.model_dump_json(), headers)

    def _answer(self, asked: SyncRequest, kill: bool) -> SyncResponse:
        effects: list[Effect] = []
        _recording.append(effects)

        def job(connection: Any) -> SyncResponse:
            now = self._now() * 1000
            response = server_exchange.answer(connection, LOCAL, self._registry, asked, now)
            if kill:
                raise Killed
            return response

        try:
            response = (self._database.write if asked.actions else self._database.read)(job)
        finally:
            _recording.pop()
        for result in response.results:
            self.verdicts(result)
        self.committed(effects)
        return response

    def query(self, statement: str) -> list[Any]:
        """Return what a query finds."""
        return self._database.read(lambda connection: list(connection.execute(text(statement))))

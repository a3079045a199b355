"""The real server's code in front of a database in memory, with a ledger.

The ledger records every effect as the server's code makes it, keeps it when the transaction
commits, and drops it when it is undone. Kills are modelled as an undone transaction, or as a lost
answer after the commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from app.ports import HttpResponse
from app.protocol import MAX_PULL_ROWS, Action, Row, SyncRequest, SyncResponse
from server import apply
from server import exchange as server_exchange
from server.compaction import compact
from server.cursors import encode_cursor
from server.history import begin_epoch, read_epoch
from server.identity import LOCAL
from server.prepared import Prepared
from server.records import Judged, StoredRow
from tests.fakes import error_answer, json_answer
from tests.loopback import answer_body
from tests.simulation.database import database

if TYPE_CHECKING:
    from tests.simulation.ledger import Snapshot
    from tests.simulation.world import World

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


def _spy(self: Any, action: Prepared, row: StoredRow | None, text: str | None) -> Judged:
    judged = _write(self, action, row, text)
    if _recording:
        made = Effect(self._author.client_id, action.action(), row, judged.result().row)
        _recording[-1].append(made)
    return judged


apply._Batch._write = _spy  # type: ignore[method-assign]  # to see what is written


class SimServer:
    """Answers requests as the server does; the world's ledger hears of the effects of each commit.

    `skew` is how far its clock is off, in milliseconds; `most`, how many actions a request may
    hold, where something in between has a limit of its own.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._database = database()
        self._database.clear()
        self._page = world.rng.choice((3, MAX_PULL_ROWS, MAX_PULL_ROWS))
        self._backup: tuple[Connection, Snapshot] | None = None
        self.poison = True
        self.skew = 0
        self.most: int | None = None
        self.restored = 0
        self.unannounced = False
        self.epoch = self._database.read(read_epoch)

    def __call__(
        self, method: str, url: str, body: str | None, kill_before_commit: bool = False
    ) -> HttpResponse:
        if url.endswith("/health"):
            return json_answer(200, {"status": "ok"})
        return answer_body(body, lambda asked: self._consider(asked, kill_before_commit))

    def _consider(self, asked: SyncRequest, kill: bool) -> SyncResponse | HttpResponse:
        """Answer, unless what is asked is too much for it, or makes it fail."""
        if self.most is not None and len(asked.actions) > self.most:
            self._world.coverage["error_413", "push"] += 1
            return error_answer(413, "too_many")
        if self.poison and any(
            (action.data or {}).get("b") == "poison" for action in asked.actions
        ):
            return error_answer(500, "internal")
        try:
            return self._answer(asked, kill)
        except Killed:
            raise
        except Exception as error:
            self._world.fail(0, f"the server raised {error!r}")
            return error_answer(500, "internal")

    def _now(self) -> int:
        return (self._world.clock.time + self.skew) * 1000

    def _answer(self, asked: SyncRequest, kill: bool) -> SyncResponse:
        asked = asked.model_copy(update={"limit": self._page})
        effects: list[Effect] = []
        _recording.append(effects)

        def job(connection: Any) -> SyncResponse:
            registry = self._world.registry
            response = server_exchange.answer(connection, LOCAL, registry, asked, self._now())
            if kill:
                raise Killed
            return response

        try:
            response = (self._database.write if asked.actions else self._database.read)(job)
        finally:
            _recording.pop()
        coverage = self._world.coverage
        for result in response.results:
            coverage["verdict", result.verdict] += 1
        coverage[
            "pulled", "reset" if response.reset else "more" if response.has_more else "all"
        ] += 1
        self._world.ledger.commit(effects)
        refusals = ("conflict", "rejected")
        self._world.ledger.refuse(it.id for it in response.results if it.verdict in refusals)
        return response

    def back_up(self) -> None:
        """Copy the database as it is now."""
        self._backup = self._database.copy(), self._world.ledger.snapshot()

    def restore(self, *, announced: bool = True) -> bool:
        """Put the last copy back, if there is one; announced, with a new epoch, or not yet."""
        if self._backup is None:
            return False
        copy, snapshot = self._backup
        self._database.put_back(copy)
        self.epoch = self._database.read(read_epoch)
        self.restored += 1
        self._world.ledger.put_back(snapshot, self._newest())
        self.unannounced = True
        if announced:
            self.announce()
        return True

    def announce(self) -> None:
        """Say that a backup was put back, if one was: who follows it unawares goes wrong for good.

        A device that has not pulled more than the copy holds by then cannot know it before.
        """
        if self.unannounced:
            self.unannounced = False
            self.epoch = self._database.write(begin_epoch)
            self._world.ledger.newest = self._newest()

    def cursor(self) -> str:
        """Return the cursor of whoever has pulled everything."""
        return encode_cursor(self.epoch, self._newest())

    def _newest(self) -> int:
        (newest,) = self.query("SELECT coalesce(max(version), 0) FROM spaces")[0]
        return int(newest)

    def compact(self) -> int:
        """Forget the tombstones, all of them; returns how many there were."""
        forgotten = compact(self._database, 0, self._now())
        kept = {(name, item) for name, item in self.query("SELECT collection, item_id FROM rows")}
        self._world.ledger.forget(kept)
        return forgotten

    def query(self, statement: str) -> list[Any]:
        """Return what a query finds."""
        return self._database.read(lambda connection: list(connection.execute(text(statement))))

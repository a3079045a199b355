"""A cursor never passes a row that its client has not got, whoever commits when.

The trap: a version is given out, a higher one is given out and committed, a reader takes the higher
one for its cursor, and then the lower one is committed. That reader would never see it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection

from app.core.actions import registry
from app.protocol import Row, SyncRequest, SyncResponse
from server.database import Database
from server.exchange import answer
from server.identity import LOCAL
from server.migrations import migrate
from server.refusals import DatabaseUnavailable
from server.services import wall_clock
from server.tables import rows, spaces
from tests.server.builders import action, request

WRITERS = 4
PUSHES = 50
BATCH = 10
READERS = 3


def sync(database: Database, body: dict[str, Any]) -> SyncResponse:
    """Push and pull as a server process does; a push that is refused is sent again."""
    asked = SyncRequest.model_validate(body)

    def job(connection: Connection) -> SyncResponse:
        return answer(connection, LOCAL, registry, asked, wall_clock())

    while True:
        with suppress(DatabaseUnavailable):
            return database.write(job) if asked.actions else database.read(job)


def write(url: str, name: str) -> dict[int, Row]:
    """Create, change and delete items of one's own; return every row as it was committed."""
    database = Database(url)
    committed: dict[int, Row] = {}
    seq = 0
    for number in range(PUSHES):
        batch = []
        for place in range(BATCH):
            seq += 1
            item = f"{name}-{(number * BATCH + place) // 3}"
            kind = ("create", "update", "delete" if place % 4 == 0 else "update")[(seq - 1) % 3]
            data = None if kind == "delete" else {"seq": seq}
            batch.append(action(seq, kind, item, data=data))
        answered = sync(database, request(*batch, client=name, settled_through=batch[0]["seq"] - 1))
        for result in answered.results:
            assert result.row is not None
            committed[result.row.version] = result.row
    database.close()
    return committed


@dataclass
class Reader:
    """Polls by cursor, and keeps what each answer brought and how far its cursor came."""

    limit: int
    rows: dict[str, Row] = field(default_factory=dict)
    got: set[int] = field(default_factory=set)
    passed: list[int] = field(default_factory=list)

    def poll(self, url: str, is_over: Callable[[], bool]) -> Reader:
        """Pull until it is over, and then what is left."""
        database = Database(url)
        cursor, last = None, False
        while True:
            page = sync(database, request(client="reader", cursor=cursor, limit=self.limit))
            for row in page.rows:
                self.rows[row.id] = row
                self.got.add(row.version)
            cursor = page.cursor
            self.passed.append(int(cursor.rpartition(".")[2]) if not page.has_more else -1)
            if last and not page.has_more:
                database.close()
                return self
            last = is_over()

    def skipped(self, committed: dict[int, Row]) -> list[int]:
        """Return the versions that the cursor passed without their row, or a newer one of it."""
        newest = {row.id: row.version for row in (committed[v] for v in sorted(committed))}
        return [
            version
            for version, row in sorted(committed.items())
            if version <= max(self.passed) and version not in self.got
            if newest[row.id] not in self.got
        ]


@pytest.fixture
def url(database_url: str) -> Iterator[str]:
    database = Database(database_url)
    migrate(database)
    yield database_url
    database.close()


def test_every_reader_ends_with_every_row_as_it_was_committed(url: str) -> None:
    readers = [Reader(limit) for limit in (7, 100, 500)]
    done = threading.Event()
    with ThreadPoolExecutor(WRITERS + READERS) as pool:
        polling = [pool.submit(reader.poll, url, done.is_set) for reader in readers]
        writing = [pool.submit(write, url, f"w{number}") for number in range(WRITERS)]
        try:
            committed = merged(writing)
        finally:
            done.set()
        for future in polling:
            future.result()
    final = {committed[version].id: committed[version] for version in sorted(committed)}
    for reader in readers:
        assert len(reader.passed) > PUSHES / 5
        assert reader.skipped(committed) == []
        assert reader.rows == final
    assert sorted(committed) == list(range(1, WRITERS * PUSHES * BATCH + 1))


def merged(writing: list[Future[dict[int, Row]]]) -> dict[int, Row]:
    committed: dict[int, Row] = {}
    for future in writing:
        mine = future.result()
        assert not mine.keys() & committed.keys()
        committed |= mine
    return committed


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
def test_the_check_finds_a_row_that_was_skipped(url: str) -> None:
    """Two naive writers take versions without the lock; the lower one commits last."""
    database = Database(url)
    row = {"space_id": LOCAL.space_id, "collection": "drafts", "data": "{}", "updated_at": 1}
    row |= {"user_id": "u", "client_id": "c", "seq": 1, "run_base": 0}
    sync(database, request(action(1, item="n0")))
    with database.writing() as late:
        late.execute(rows.insert().values(**row, item_id="n1", version=2))
        with database.writing() as early:
            early.execute(rows.insert().values(**row, item_id="n2", version=3))
            early.execute(spaces.update().values(version=3))
        first = Reader(500).poll(url, lambda: True)
        assert sorted(first.got) == [1, 3]
    everything = sync(database, request(client="anew")).rows
    committed = {row.version: row for row in everything}
    assert sorted(committed) == [1, 2, 3]
    assert first.skipped(committed) == [2]
    database.close()

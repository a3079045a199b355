"""Effect, receipt and version commit together or not at all, whatever fails and whoever writes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from app.core.actions import registry
from app.protocol import SyncRequest, SyncResponse
from server.database import Database
from server.exchange import answer
from server.identity import LOCAL
from server.migrations import migrate
from server.refusals import DatabaseUnavailable
from server.services import wall_clock
from server.tables import receipts, rows, spaces
from tests.server.builders import message, request
from tests.server.conftest import Api
from tests.server.watching import watching


@contextmanager
def other_connection(database: Database) -> Iterator[Database]:
    """Open the database once more, as another server would."""
    other = Database(database.engine.url.render_as_string(hide_password=False))
    yield other
    other.close()


@contextmanager
def failing(database: Database, statement: str, message: str) -> Iterator[None]:
    """Have the database refuse every statement that starts with `statement`."""
    refusal: type[Exception] = database.engine.dialect.dbapi.OperationalError  # type: ignore[union-attr] # it is loaded

    def refuse(sql: str) -> None:
        if sql.startswith(statement):
            raise OperationalError(sql, {}, refusal(message))

    with watching(refuse):
        yield


WRITE_WORDS = ("BEGIN IMMEDIATE", "INSERT", "UPDATE", "DELETE")
WRITES = ["INSERT INTO rows", "UPDATE spaces", "INSERT INTO receipts", "INSERT INTO clients"]


@pytest.mark.parametrize("statement", WRITES)
async def test_failure_between_writes_leaves_nothing_and_asks_to_try_again(
    api: Api, statement: str
) -> None:
    await api.sync(message(9, item="before"), client="other")
    with failing(api.services.database, statement, "database or disk is full"):
        refused = await api.post(request(message(5), settled_through=4))
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "2"
    assert refused.json()["error"]["code"] == "unavailable"
    assert [api.count(table) for table in (rows, receipts)] == [1, 1]
    assert await api.verdicts(message(5), settled_through=4) == ["applied"]
    assert api.services.database.read(lambda c: c.execute(spaces.select()).one()).version == 2


async def test_failure_of_the_commit_itself_is_no_success(api: Api) -> None:
    def refuse(_connection: Connection) -> None:
        raise OperationalError("COMMIT", {}, sqlite3.OperationalError("disk I/O error"))

    event.listen(api.services.database.engine, "commit", refuse)
    refused = await api.post(request(message(1)))
    event.remove(api.services.database.engine, "commit", refuse)
    assert refused.status_code == 503
    assert api.count(rows) == 0
    assert await api.verdicts(message(1)) == ["applied"]


async def test_locked_database_is_503_and_reads_go_on(api: Api, kind: str) -> None:
    limit = {"sqlite": "PRAGMA busy_timeout = 50", "postgresql": "SET lock_timeout = 50"}

    def lose_patience(connection: Any, _record: Any) -> None:
        connection.execute(limit[kind])
        connection.commit()

    await api.sync(message(9, item="before"), client="other")
    database = api.services.database
    event.listen(database.engine, "connect", lose_patience)
    database.engine.dispose()
    with other_connection(database) as other, other.writing() as connection:
        connection.execute(spaces.select().with_for_update())
        refused = await api.post(request(message(1)))
        pulled = await api.post(request())
    assert refused.status_code == 503
    assert pulled.status_code == 200
    assert await api.verdicts(message(1)) == ["applied"]


async def test_push_without_actions_takes_no_write_lock(api: Api) -> None:
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, sql: str, _p: Any, _context: Any, _many: bool) -> None:
        statements.append(sql)

    event.listen(api.services.database.engine, "before_cursor_execute", note)
    with watching(statements.append):
        await api.sync(settled_through=3)
    assert statements
    assert not [sql for sql in statements if sql.startswith(WRITE_WORDS) or "FOR UPDATE" in sql]


async def test_own_bug_is_a_500_in_the_contracts_form(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.services, "clock", lambda: 1 // 0)
    answered = await api.post(request(message(1)))
    assert answered.status_code == 500
    assert answered.json()["error"]["code"] == "internal"
    assert answered.headers["x-request-id"]


def sync(database: Database, body: dict[str, Any]) -> SyncResponse:
    asked = SyncRequest.model_validate(body)

    def job(connection: Connection) -> SyncResponse:
        return answer(connection, LOCAL, registry, asked, wall_clock())

    return database.write(job) if asked.actions else database.read(job)


def write_messages(url: str, client: str, number: int) -> None:
    """Push one message at a time, as a server process of its own; a refused push is sent again."""
    database = Database(url)
    seq = 1
    while seq <= number:
        with suppress(DatabaseUnavailable):
            sync(database, request(message(seq, item=f"{client}-{seq}"), client=client))
            seq += 1
    database.close()


def test_servers_may_be_the_first_in_a_space_at_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    migrate(databases[0])
    start = threading.Barrier(len(databases))

    def push(number: int) -> str:
        start.wait(10)
        body = request(message(1, item=f"m{number}"), client=f"w{number}")
        return sync(databases[number], body).results[0].verdict

    with ThreadPoolExecutor(len(databases)) as pool:
        assert list(pool.map(push, range(len(databases)))) == ["applied"] * len(databases)
    pulled = sync(databases[0], request(client="reader"))
    assert [row.version for row in pulled.rows] == [1, 2, 3, 4]
    for database in databases:
        database.close()


def test_reader_never_misses_a_row_while_several_write(database_url: str) -> None:
    url = database_url
    reader = Database(url)
    migrate(reader)
    threads = [
        threading.Thread(target=write_messages, args=(url, f"w{number}", 80)) for number in range(3)
    ]
    for thread in threads:
        thread.start()
    seen: list[tuple[int, int, str]] = []
    cursor, more = None, True
    while more:
        writing = any(thread.is_alive() for thread in threads)
        page = sync(reader, request(client="reader", cursor=cursor, limit=7))
        seen += [(row.version, row.updated_at, row.id) for row in page.rows]
        cursor, more = page.cursor, writing or bool(page.rows)
    reader.close()
    assert [version for version, _, _ in seen] == list(range(1, 241))
    assert len({item for _, _, item in seen}) == 240
    assert seen == sorted(seen)


def test_a_snapshot_holds_while_others_commit(database_url: str) -> None:
    database = Database(database_url)
    migrate(database)
    count = text("SELECT count(*) FROM migrations")

    def twice(connection: Connection) -> tuple[int, int]:
        first = connection.execute(count).scalar_one()
        database.write(lambda c: c.execute(text("INSERT INTO migrations VALUES ('more')")))
        return first, connection.execute(count).scalar_one()

    first, second = database.read(twice)
    database.close()
    assert first == second

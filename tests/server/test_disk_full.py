"""The disk is full: 503, nothing half-written, and on again once there is space."""

from __future__ import annotations

import resource
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, event, text

from server.tables import receipts, rows, spaces
from tests.server.builders import message, request
from tests.server.chaos import pulled
from tests.server.conftest import Api
from tests.server.live import Live, live

LONG = "x" * 4000


@pytest.fixture
def kind() -> str:
    return "sqlite"


def push(first: int) -> dict[str, Any]:
    """Return a push of three long messages."""
    return request(*(message(seq, LONG) for seq in range(first, first + 3)))


def limit(server: Live, size: tuple[int, int]) -> None:
    """Have no file grow beyond a size that a server's processes write."""
    for pid in server.pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, size)


async def test_database_without_room_is_503_and_keeps_whole_pushes_only(api: Api) -> None:
    """SQLite refuses the page that is too many, as it does where the file system is full."""
    database = api.services.database
    pages = database.read(lambda c: c.execute(text("PRAGMA page_count")).scalar_one())

    def allow(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 30}")

    event.listen(database.engine, "connect", allow)
    database.engine.dispose()
    taken = 0
    while (answer := await api.post(push(taken + 1))).status_code == 200:
        taken += 3
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert 3 <= taken < 30
    assert [api.count(table) for table in (rows, receipts)] == [taken, taken]
    assert database.read(lambda c: c.execute(spaces.select()).one()).version == taken
    assert len((await api.sync(client="reader"))["rows"]) == taken
    event.remove(database.engine, "connect", allow)
    database.engine.dispose()
    again = await api.sync(*push(1)["actions"], *push(taken + 1)["actions"])
    verdicts = [result["verdict"] for result in again["results"]]
    assert verdicts == ["duplicate"] * 3 + ["applied"] * 3


def test_file_that_cannot_grow_is_503_until_it_can(database_url: str) -> None:
    """The system cuts a write short in the middle of a page, as a full disk may."""
    command = ("-m", "tests.server.faulty", "--port", "0", "--database", database_url)
    with live(*command) as server, httpx.Client(base_url=server.url) as http:
        before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        assert http.post("/api/sync", json=push(1)).status_code == 200
        limit(server, (150_001, before[1]))
        taken = 3
        while (answer := http.post("/api/sync", json=push(taken + 1))).status_code == 200:
            taken += 3
        assert answer.status_code == 503
        assert http.post("/api/sync", json=push(taken + 1)).status_code == 503
        assert len(pulled(server.url)) == taken
        limit(server, before)
        answer = http.post("/api/sync", json=push(taken + 1))
        assert [result["verdict"] for result in answer.json()["results"]] == ["applied"] * 3
        found = pulled(server.url)
    assert sorted(found.values()) == list(range(1, taken + 4))


FULL = (
    """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device'
            USING ERRCODE = '53100';
    END $$""",
    "CREATE TRIGGER full_disk AFTER INSERT ON {table} EXECUTE FUNCTION full_disk()",
)


class TestPostgreSQL:
    """What it says where its disk is full is said by a trigger here."""

    @pytest.fixture
    def kind(self) -> str:
        return "postgresql"

    @pytest.mark.parametrize("table", ["rows", "receipts"])
    async def test_c2_postgresql_without_room_is_503_and_loses_nothing(
        self, api: Api, table: str
    ) -> None:
        def fill_up(connection: Connection) -> None:
            for statement in FULL:
                connection.exec_driver_sql(statement.format(table=table))

        database = api.services.database
        assert await api.verdicts(*push(1)["actions"]) == ["applied"] * 3
        database.write(fill_up)
        for _ in range(2):
            refused = await api.post(push(4))
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "2"
        assert [api.count(kept) for kept in (rows, receipts)] == [3, 3]
        assert len((await api.sync(client="reader"))["rows"]) == 3
        database.write(lambda c: c.exec_driver_sql(f"DROP TRIGGER full_disk ON {table}"))
        verdicts = await api.verdicts(*push(1)["actions"], *push(4)["actions"])
        assert verdicts == ["duplicate"] * 3 + ["applied"] * 3
        assert database.read(lambda c: c.execute(spaces.select()).one()).version == 6

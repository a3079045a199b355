"""PostgreSQL as it fails: races lost, connections cut off, restarts. Nothing is done twice."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.errors import AdminShutdown, CrashShutdown, IdleInTransactionSessionTimeout
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import InternalError, OperationalError

from app.core.actions import registry
from app.protocol import MAX_ACTIONS, SyncRequest
from scripts.cluster import Cluster, running
from server.app import create_app
from server.database import ATTEMPTS, Database
from server.exchange import Exchange, answer_all
from server.identity import LOCAL, Identity
from server.migrations import migrate
from server.pipeline import Pipeline
from server.refusals import DatabaseUnavailable
from server.settings import Settings
from server.statements import Statement, sending
from server.tables import rows, spaces
from tests.server.builders import message, request
from tests.server.conftest import Api
from tests.server.live import until


@pytest.fixture
def kind() -> str:
    return "postgresql"


def exchange(seq: int, client: str = "c1", space: str = LOCAL.space_id) -> Exchange:
    """Return the push of one message, whose item is the client's own."""
    body = request(message(seq, item=f"{client}-{seq}"), client=client)
    identity = Identity(space, LOCAL.user_id)
    return Exchange.of(registry, identity, SyncRequest.model_validate(body), now=1)


def full(number: int) -> Exchange:
    """Return the push of as many messages as one may hold, by a client of its own."""
    client = f"c{number}"
    names = [f"{client}-{seq}" for seq in range(1, MAX_ACTIONS + 1)]
    messages = [message(seq, id=name, item=name) for seq, name in enumerate(names, start=1)]
    body = request(*messages, client=client)
    return Exchange.of(registry, LOCAL, SyncRequest.model_validate(body), now=1)


def verdicts(database: Database, *exchanges: Exchange) -> list[str]:
    answers = database.write(lambda connection: answer_all(connection, registry, exchanges))
    return [verdict for answer in answers for verdict in answer.verdicts]


def cut_off(database: Database, cluster: Cluster) -> None:
    cluster.cut_off(str(database.engine.url.database))


def test_transactions_have_their_isolation_and_everything_an_end(database: Database) -> None:
    def setting(name: str) -> Callable[[Connection], Any]:
        return lambda connection: connection.execute(text(f"SHOW {name}")).scalar()

    for name in ("statement_timeout", "lock_timeout"):
        assert database.read(setting(name)) == database.write(setting(name)) == "5s"
    assert database.write(setting("idle_in_transaction_session_timeout")) == "15s"
    assert database.write(setting("transaction_isolation")) == "read committed"
    assert database.write(setting("transaction_read_only")) == "off"
    assert database.read(setting("transaction_isolation")) == "repeatable read"
    assert database.maintain(setting("statement_timeout")) == "0"
    assert database.maintain(setting("lock_timeout")) == "1min"


def test_read_transaction_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="read-only") as caught:
        database.read(lambda connection: connection.execute(spaces.delete()))
    assert isinstance(caught.value.__cause__, InternalError)


def test_options_of_the_url_come_last(database_url: str) -> None:
    database = Database(f"{database_url}&options=-c%20statement_timeout%3D7s")
    query = text("SHOW statement_timeout")
    assert database.read(lambda connection: connection.execute(query).scalar()) == "7s"
    database.close()


def test_several_spaces_are_locked_in_one_order(database: Database) -> None:
    errors: list[object] = []
    event.listen(database.engine, "handle_error", errors.append)
    start = threading.Barrier(2)

    def push(client: str, order: tuple[str, ...]) -> int:
        start.wait(10)
        for seq in range(1, 31):
            verdicts(database, *(exchange(seq, client, space) for space in order))
        return 30

    with ThreadPoolExecutor(2) as pool:
        done = pool.map(push, ("one", "two"), (("a", "b", "c"), ("c", "b", "a")))
        assert list(done) == [30, 30]
    assert errors == []


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_lost_race_is_begun_anew_and_in_the_end_given_up(database: Database, state: str) -> None:
    left, attempts = [1], [0]

    def lose(connection: Connection) -> int:
        attempts[0] += 1
        connection.execute(text("UPDATE properties SET value = value || 'x'"))
        if left[0]:
            left[0] -= 1
            connection.execute(
                text(f"DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '{state}'; END $$")
            )
        return attempts[0]

    assert database.write(lose) == 2
    value = text("SELECT value FROM properties")
    assert database.read(lambda c: str(c.execute(value).scalar())).endswith("x")
    left[0] = 99
    with pytest.raises(DatabaseUnavailable, match="lost"):
        database.write(lose)
    assert attempts[0] == 2 + ATTEMPTS
    assert database.read(lambda c: str(c.execute(value).scalar())).count("x") == 1


def test_push_reads_what_it_touches_of_a_large_space_that_was_never_analysed(
    database: Database,
) -> None:
    read = text(
        """SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
        FROM pg_stat_xact_user_tables"""
    )
    for table in ("rows", "receipts", "clients"):
        never = text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        database.write(partial(Connection.execute, statement=never))
    for client in range(60):
        verdicts(database, full(client))

    def job(connection: Connection) -> Counter[str]:
        # PostgreSQL adds up what a connection has read for a second, over its transactions.
        before = {name: count for name, count in connection.execute(read)}  # noqa: C416 - of rows
        answer_all(connection, registry, [full(99)._replace(pulls=False)])
        return Counter({name: n - before.get(name, 0) for name, n in connection.execute(read)})

    found = database.write(job)
    assert found["rows"] <= MAX_ACTIONS
    assert found["receipts"] <= MAX_ACTIONS
    assert found["clients"] <= 2


def test_what_is_written_is_under_way_before_all_is_decided(
    database: Database, cluster: Cluster
) -> None:
    long = Statement("SELECT pg_sleep(600)")
    cancel = """SELECT pg_cancel_backend(pid) FROM pg_stat_activity
        WHERE state = 'active' AND query = 'SELECT pg_sleep(600)'"""

    def job(connection: Connection) -> None:
        with sending(connection) as send:
            send([(long, {})])
            until(lambda: cluster.execute(cancel))

    with pytest.raises(DatabaseUnavailable, match="user request"):
        database.write(job)


def test_real_deadlock_is_resolved(database: Database) -> None:
    database.write(lambda c: c.execute(text("CREATE TABLE notes (n INTEGER, hits INTEGER)")))
    database.write(lambda c: c.execute(text("INSERT INTO notes VALUES (1, 0), (2, 0)")))
    both_hold = threading.Barrier(2)
    hit = text("UPDATE notes SET hits = hits + 1 WHERE n = :n")

    def cross(first: int) -> None:
        is_first = [True]

        def job(connection: Connection) -> None:
            connection.execute(hit, {"n": first})
            if is_first.pop() if is_first else False:
                both_hold.wait(10)
            connection.execute(hit, {"n": 3 - first})

        database.write(job)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(cross, (1, 2)))
    found = database.read(lambda c: list(c.scalars(text("SELECT hits FROM notes"))))
    assert found == [2, 2]


def test_connections_that_were_cut_off_while_idle_are_replaced(
    database: Database, cluster: Cluster
) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: verdicts(database, exchange(1, f"c{n}")), range(4)))
    cut_off(database, cluster)
    assert verdicts(database, exchange(2)) == ["applied"]
    cut_off(database, cluster)
    assert database.read(lambda c: len(c.execute(rows.select()).all())) == 5


def test_transaction_that_is_cut_off_half_way_is_done_once(
    database: Database, cluster: Cluster
) -> None:
    attempts: list[int] = []

    def job(connection: Connection) -> list[str]:
        attempts.append(1)
        (answer,) = answer_all(connection, registry, [exchange(1)])
        if len(attempts) == 1:
            cut_off(database, cluster)
            connection.execute(spaces.select())
        return list(answer.verdicts)

    assert database.write(job) == ["applied"]
    assert len(attempts) == 2
    assert verdicts(database, exchange(1)) == ["duplicate"]


@pytest.mark.parametrize("end", [AdminShutdown, CrashShutdown, IdleInTransactionSessionTimeout])
def test_connection_that_postgresql_ends_is_given_up(
    database: Database, end: type[psycopg.Error], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the driver has seen the last words only, and not yet that nothing follows."""
    said: list[int] = []

    rows_of = Pipeline.rows

    def say_last_words(pipeline: Pipeline) -> Any:
        if not said:
            said.append(1)
            raise end("terminating connection")
        return rows_of(pipeline)

    monkeypatch.setattr(Pipeline, "rows", say_last_words)
    assert verdicts(database, exchange(1)) == ["applied"]
    assert said == [1]


def test_commit_without_an_answer_is_not_repeated_and_a_resend_tells(
    database: Database, cluster: Cluster
) -> None:
    """The commit did happen here; the server cannot know, the receipt does."""
    attempts: list[int] = []

    def job(connection: Connection) -> None:
        attempts.append(1)
        answer_all(connection, registry, [exchange(1)])

    def commit_and_lose_the_answer(connection: Connection) -> None:
        driver: psycopg.Connection[Any] = connection.connection.dbapi_connection  # type: ignore[assignment] # it is psycopg's
        driver.commit()
        raise OperationalError("COMMIT", {}, psycopg.OperationalError("connection lost"))

    event.listen(database.engine, "commit", commit_and_lose_the_answer)
    with pytest.raises(DatabaseUnavailable, match="connection lost"):
        database.write(job)
    event.remove(database.engine, "commit", commit_and_lose_the_answer)
    assert attempts == [1]
    assert verdicts(database, exchange(1)) == ["duplicate"]


async def test_lock_that_is_held_too_long_is_503(api: Api) -> None:
    def lose_patience(connection: Any, _record: Any) -> None:
        connection.execute("SET statement_timeout = 50")
        connection.commit()

    await api.sync(message(1))
    database = api.services.database
    event.listen(database.engine, "connect", lose_patience)
    database.engine.dispose()
    slow = text("SELECT pg_sleep(10)")
    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        database.read(lambda connection: connection.execute(slow))
    assert await api.verdicts(message(2)) == ["applied"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
async def test_restart_of_postgresql_is_503_meanwhile_and_then_survived(
    how: signal.Signals,
) -> None:
    with running() as cluster, cluster.database() as url:
        app = create_app(Settings(database=url))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as http,
        ):

            async def push(seq: int) -> httpx.Response:
                return await http.post("/api/sync", json=request(message(seq)))

            assert (await push(1)).status_code == 200
            cluster.stop(how)
            refused = await push(2)
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "2"
            cluster.start()
            again = await push(2)
            assert [result["verdict"] for result in again.json()["results"]] == ["applied"]
            assert [row["id"] for row in again.json()["rows"]] == ["m1", "m2"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://driftline@/nowhere?host=/proc/none", "No such file or directory"),
        ("postgresql+nosuch://driftline@/nowhere?host=/proc/none", "No such file or directory"),
        ("postgres://driftline@127.0.0.1:1/nowhere", "refused"),
    ],
)
def test_database_out_of_reach_is_one_line(url: str, words: str) -> None:
    database = Database(url)
    with pytest.raises(DatabaseUnavailable, match=words) as caught:
        migrate(database)
    assert "\n" not in str(caught.value)
    database.close()


def test_database_that_may_not_be_changed_is_one_line(database_url: str, cluster: Cluster) -> None:
    cluster.execute("DROP ROLE IF EXISTS guest")
    cluster.execute("CREATE ROLE guest LOGIN")
    database = Database(database_url.replace("driftline@", "guest@"))
    with pytest.raises(DatabaseUnavailable, match="permission denied for schema public"):
        migrate(database)
    database.close()

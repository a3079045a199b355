"""The load test of the server: that its client counts right, and that a small run of it works."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.server import parts
from bench.server.fill import effects, fill
from bench.server.load import Ask, Load, run
from bench.server.parts import Plan, Target, Unanswered
from bench.server.processes import Process, running
from bench.server.report import Aim, ServerReport, Table
from bench.server.requests import position, pulling, pushing
from bench.server.run import run as whole_run
from server.database import Database
from server.migrations import migrate

TINY = Plan(seconds=0.2, most_rows=1_000, streams=5, pokes=2, clients=(2,))


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    """A server on an SQLite file."""
    database = f"sqlite:///{tmp_path / 'bench.db'}"
    command = ("bench.server.api", "--port", "0", "--database", database)
    with running(*command, log=tmp_path / "log") as process:
        yield Target("SQLite", database, process, 1, 1)


def test_every_action_of_a_load_has_one_effect(target: Target) -> None:
    epoch, newest = position(target.process.url)
    asks = [ended(pushing(epoch, 3), after=5) for _ in range(4)]
    load = run(target.process.url, asks)
    assert load.statuses == {200: 20}
    assert load.rate > 0
    assert (newest, position(target.process.url)) == (0, (epoch, 60))
    assert effects(target.database) == 60


def ended(ask: Ask, after: int) -> Ask:
    """Return `ask`, ended after so many requests."""
    left = after

    def limited(last: bytes | None) -> bytes | None:
        nonlocal left
        left -= 1
        return ask(last) if left >= 0 else None

    return limited


def test_client_that_follows_gets_what_others_wrote_and_no_more(target: Target) -> None:
    epoch, _ = position(target.process.url)
    run(target.process.url, [ended(pushing(epoch, 2), after=10)])
    follower = ended(pushing(epoch, 1, follow_from=18), after=2)
    answers: list[bytes] = []

    def noted(last: bytes | None) -> bytes | None:
        if last:
            answers.append(last)
        return follower(last)

    run(target.process.url, [noted])
    rows = [[row["version"] for row in json.loads(answer)["rows"]] for answer in answers]
    assert rows == [[19, 20, 21], [22]]


def test_filled_rows_are_pulled_page_by_page(target: Target) -> None:
    fill(target.database, 1_200)
    assert effects(target.database) == 1_200
    load = run(target.process.url, [pulling(None)])
    assert load.statuses == {200: 3}
    assert position(target.process.url)[1] == 1_200


def test_filling_adds_to_what_was_pushed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bench.db'}"
    database = Database(url)
    migrate(database)
    database.close()
    fill(url, 10)
    fill(url, 25)
    assert effects(url) == 25


def test_refused_requests_fail_the_measurement(target: Target) -> None:
    with pytest.raises(Unanswered, match="422"):
        parts._loaded(target.process, [ended(pulling("nonsense", again=True), after=1)])


async def test_server_that_hangs_up_is_not_taken_for_an_answer() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        asking = asyncio.to_thread(run, f"http://{host}:{port}", [pulling(None)])
        with pytest.raises(ConnectionError):
            await asking


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_tiny_run_measures_everything(database: str) -> None:
    found = whole_run(databases=(database,), plan=TINY)
    pushes, pulls, growth, pokes = found.as_json()["tables"]
    assert [row["clients × actions"] for row in pushes["rows"]] == [
        *("2 × 1", "2 × 100", "2 × 1, following")
    ]
    assert all(row["actions/s"] > 0 and row["p50 ms"] <= row["p99 ms"] for row in pushes["rows"])
    assert pulls["rows"] == []
    assert [row["rows stored"] for row in growth["rows"]] == [1_000]
    assert pokes["rows"][0]["open streams"] == 5
    assert pokes["rows"][0]["slowest s"] > 0
    assert "MB" in found.as_text()


def test_aims_are_met_exactly_or_missed() -> None:
    assert Aim("rate", 1_500, 1_500).is_met
    assert not Aim("rate", 1_499, 1_500).is_met
    assert Aim("seconds", 0.5, 0.5, is_least=False).is_met
    assert not Aim("seconds", 0.51, 0.5, is_least=False).is_met
    missed = ServerReport([], [Aim("rate", 1, 2)], {}, [])
    assert missed.is_over
    assert "MISSED" in missed.as_text()
    assert not ServerReport([], [], {}, []).is_over


def test_figures_are_shown_with_what_matters_of_them() -> None:
    table = Table("Pushes", ("name", "rate", "ms", "count", "none"))
    table.rows.append(("one", 1234.5, 1.2345, 1_000, None))
    assert table.as_text()[-1].split() == ["one", "1,234", "1.23", "1,000"]


def test_percentiles_are_those_of_the_requests() -> None:
    load = Load(seconds=2.0, latencies=[n / 100 for n in range(100, 0, -1)])
    assert load.rate == 50
    assert [load.percentile(share) for share in (0.5, 0.95, 0.99)] == [0.51, 0.96, 1.0]


def test_process_says_what_it_costs(target: Target) -> None:
    process: Process = target.process
    before = process.cpu()
    epoch, _ = position(process.url)
    run(process.url, [ended(pushing(epoch, 10), after=50)])
    assert process.cpu() > before
    assert process.memory() > 10
    assert process.database_cpu() == 0


@pytest.mark.parametrize("error", [FileNotFoundError, ProcessLookupError])
def test_process_of_the_database_that_ends_meanwhile_costs_nothing(
    error: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.server.processes._children", lambda _: [])
    before = Process("", os.getpid(), os.getpid()).database_cpu()
    read_text = Path.read_text

    def ended(path: Path, *given: Any, **named: Any) -> str:
        if path == Path("/proc/7/stat"):
            raise error
        return read_text(path, *given, **named)

    monkeypatch.setattr(Path, "read_text", ended)
    monkeypatch.setattr("bench.server.processes._children", lambda _: [7])
    assert Process("", os.getpid(), os.getpid()).database_cpu() >= before

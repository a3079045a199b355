"""Several server processes on one PostgreSQL: workers of one `serve.py`, and servers beside it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest

from tests.server.builders import message, request
from tests.server.chaos import workers_of
from tests.server.live import (
    PATIENCE,
    Live,
    is_running,
    live,
    start,
    until,
)

Command = tuple[str, ...]


@pytest.fixture
def kind() -> str:
    return "postgresql"


@pytest.fixture
def command(database_url: str) -> Command:
    return ("-m", "tests.server.faulty", "--port", "0", "--database", database_url)


@contextmanager
def cursors(server: Live) -> Iterator[Iterator[str]]:
    """Open an event stream and give the cursors of its events."""

    def read(lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            if line == "event: changed":
                yield json.loads(next(lines).removeprefix("data: "))["cursor"]

    with httpx.stream("GET", f"{server.url}/api/events", timeout=PATIENCE) as stream:
        yield read(stream.iter_lines())


Sync = Callable[[Live, dict[str, Any]], dict[str, Any]]


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=PATIENCE) as http:
        yield http


@pytest.fixture
def sync(http: httpx.Client) -> Sync:
    return partial(exchange, http)


def exchange(http: httpx.Client, server: Live, body: dict[str, Any]) -> dict[str, Any]:
    answer = http.post(f"{server.url}/api/sync", json=body)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def test_clients_of_two_servers_see_each_others_pushes_at_once(
    command: Command, sync: Sync
) -> None:
    with (
        live(*command) as one,
        live(*command) as two,
        cursors(one) as of_one,
        cursors(two) as of_two,
    ):
        assert next(of_one) == next(of_two)
        cursor = None
        for seq in range(1, 11):
            here, there = (one, two) if seq % 2 else (two, one)
            pushed = sync(here, request(message(seq), client=f"c{seq % 2}"))
            assert next(of_one) == next(of_two) == pushed["cursor"]
            pulled = sync(there, request(client="reader", cursor=cursor))
            assert [row["id"] for row in pulled["rows"]] == [f"m{seq}"]
            cursor = pulled["cursor"]


def test_same_push_to_two_servers_at_once_has_one_effect(command: Command, sync: Sync) -> None:
    with live(*command) as one, live(*command) as two, ThreadPoolExecutor(4) as pool:
        for number in range(25):
            seqs = range(4 * number + 1, 4 * number + 5)
            body = request(*(message(seq) for seq in seqs), client="phone")
            answers = list(pool.map(sync, (one, two, one, two), [body] * 4))
            verdicts = sorted(
                tuple(result["verdict"] for result in answer["results"]) for answer in answers
            )
            assert verdicts == [("applied",) * 4] + [("duplicate",) * 4] * 3
            rows = [[result["row"] for result in answer["results"]] for answer in answers]
            assert rows == [rows[0]] * 4
        pulled = sync(two, request(client="reader"))
        assert [row["version"] for row in pulled["rows"]] == list(range(1, 101))
        assert len({row["id"] for row in pulled["rows"]}) == 100


def test_worker_that_is_killed_is_replaced_and_nothing_is_lost(
    command: Command, sync: Sync
) -> None:
    with live(*command, "--workers", "2") as server:
        before = workers_of(server)
        assert len(before) == 2
        for seq in range(1, 9):
            assert sync(server, request(message(seq)))["results"][0]["verdict"] == "applied"
        os.kill(before[0], signal.SIGKILL)
        until(lambda: before[0] not in workers_of(server) and len(workers_of(server)) == 2)
        assert before[1] in workers_of(server)
        for seq in range(9, 17):
            assert sync(server, request(message(seq)))["results"][0]["verdict"] == "applied"
        text = httpx.get(f"{server.url}/api/metrics").text
        assert 'driftline_verdicts_total{verdict="applied"} 16.0' in text
        assert server.stop() == 0
        assert not any(map(is_running, before))


def test_metrics_are_those_of_all_workers(command: Command) -> None:
    def metric(server: Live) -> float:
        lines = httpx.get(f"{server.url}/api/metrics").text.splitlines()
        (line,) = (line for line in lines if line.startswith("driftline_open_streams "))
        return float(line.split()[1])

    with live(*command, "--workers", "2") as server:
        with cursors(server) as one, cursors(server) as two, cursors(server) as three:
            for stream in (one, two, three):
                assert next(stream)
            assert [metric(server) for _ in range(6)] == [3.0] * 6
        until(lambda: metric(server) == 0)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_workers_end_well_and_soon_with_open_event_streams(
    command: Command, how: signal.Signals
) -> None:
    with live(*command, "--workers", "2") as server, cursors(server) as one, cursors(server) as two:
        assert next(one) == next(two)
        workers = workers_of(server)
        assert server.stop(how) == 0
        assert not any(map(is_running, workers))
    out, errors = server.process.communicate()
    assert out == ""
    assert "Traceback" not in errors


def test_workers_end_with_a_parent_that_is_killed(command: Command) -> None:
    with live(*command, "--workers", "2") as server:
        workers = workers_of(server)
        server.stop(signal.SIGKILL)
        until(lambda: not any(map(is_running, workers)))


def test_start_that_cannot_be_is_said_once(command: Command) -> None:
    process = start(*command, "--workers", "3", "--database", "postgresql://x@/x?host=/proc/none")
    out, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert out == ""
    assert errors.count("\n") == 1
    assert "No such file" in errors


DYING = """
import os, sys, time
from server.workers import Workers, WorkersFailed

def work(number, ready):
    os.write(1, b"%d" % number)
    if number == 1:
        if {before}:
            return
        ready()
        return
    ready()
    time.sleep(60)

try:
    Workers(work, 2).run(lambda: os.write(1, b" ready "))
except WorkersFailed as error:
    sys.exit(str(error))
"""


def test_worker_that_ends_again_and_again_is_held_back() -> None:
    process = start("-c", DYING.format(before=False))
    time.sleep(2.5)
    process.terminate()
    out, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert " ready " in out
    assert 2 <= out.count("1") <= 4
    assert "Worker 1" in errors


def test_worker_that_cannot_be_started_ends_all() -> None:
    process = start("-c", DYING.format(before=True))
    out, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert sorted(out) == ["0", "1"]
    assert errors == "A worker could not be started.\n"

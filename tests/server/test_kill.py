"""Killed at any moment, again and again: each effect once, nothing acknowledged lost."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.server.builders import message, request
from tests.server.chaos import (
    kill_postgresql,
    kill_servers,
    kill_writers,
    pulled,
    workers_of,
)
from tests.server.live import live

POINTED_KILLS = 20
KILL_POINTS = ("kill_before", "kill_before_commit", "kill_after_commit", "kill_after_reply")
RANDOM_KILLS = 100
WRITER_KILLS = 20
CRASHES = 4


class Pusher:
    """A client that keeps what was not answered, and sends it again with the same ids."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=10)
        self.acknowledged: set[str] = set()
        self._waiting: list[dict[str, Any]] = []
        self._seq = 0

    @property
    def settled(self) -> int:
        return self._seq - len(self._waiting)

    def make(self, number: int) -> None:
        for _ in range(number):
            self._seq += 1
            self._waiting.append(message(self._seq, f"Text {self._seq}"))

    def push(self) -> list[str]:
        """Send all that waits; raises what httpx does where no answer comes."""
        body = request(*self._waiting, settled_through=self.settled)
        answer = self.http.post("/api/sync", json=body).raise_for_status().json()
        self.acknowledged |= {result["id"] for result in answer["results"]}
        self._waiting.clear()
        return [result["verdict"] for result in answer["results"]]

    def fault(self, **plan: Any) -> None:
        self.http.post("/__faults__", json=plan).raise_for_status()


@pytest.fixture
def command(database_url: str) -> tuple[str, ...]:
    return ("-m", "tests.server.faulty", "--port", "0", "--database", database_url)


def test_kill_before_in_and_after_the_transaction_has_each_effect_exactly_once(
    database_url: str,
) -> None:
    verdicts: Counter[str] = Counter()
    with live("-m", "tests.server.warm", "--database", database_url) as server:
        pusher = Pusher(server.url)
        for round_number in range(POINTED_KILLS):
            killed = workers_of(server)
            pusher.make(3)
            verdicts.update(pusher.push())
            pusher.make(2)
            pusher.fault(kind=KILL_POINTS[round_number % 4])
            if round_number % 4 == 3:
                verdicts.update(pusher.push())
            else:
                with pytest.raises(httpx.TransportError):
                    pusher.push()
            while workers_of(server) in (killed, []):
                time.sleep(0.002)
        verdicts.update(pusher.push())
        pusher.http.close()
        rows = pulled(server.url)
    made = {f"m{seq}" for seq in range(1, 5 * POINTED_KILLS + 1)}
    assert sorted(rows.values()) == list(range(1, len(made) + 1))
    assert set(rows) == made
    assert pusher.acknowledged == {item.replace("m", "a") for item in made}
    assert verdicts["duplicate"] == 2 * POINTED_KILLS // 4, "those of which the commit was known"
    assert verdicts["applied"] + verdicts["duplicate"] == len(made)


def test_kill_at_any_moment_under_load_loses_nothing_and_does_nothing_twice(
    database_url: str, kind: str
) -> None:
    """What has to hold is checked in `hammer`."""
    figures = kill_servers(database_url, 1 if kind == "sqlite" else 2, RANDOM_KILLS)
    assert figures.unanswered.total() > RANDOM_KILLS / 2
    assert figures.acknowledged > 4 * RANDOM_KILLS


def test_kill_of_the_process_that_writes_loses_nothing_and_does_nothing_twice(
    database_url: str, kind: str
) -> None:
    figures = kill_writers(database_url, 1 if kind == "sqlite" else 2, WRITER_KILLS)
    assert figures.unanswered["503"] > 0


def test_crash_of_postgresql_under_load_loses_nothing_and_does_nothing_twice() -> None:
    figures = kill_postgresql(CRASHES)
    assert figures.unanswered["503"] >= CRASHES


def test_faults_happen_as_told_and_as_often(command: tuple[str, ...]) -> None:
    plan = {"DRIFTLINE_FAULTS": '{"kind": "error_500", "times": 2}'}
    with live(*command, environment=plan) as server:
        pusher = Pusher(server.url)
        pusher.make(1)
        for _ in range(2):
            with pytest.raises(httpx.HTTPStatusError, match="500"):
                pusher.push()
        pusher.fault(kind="unavailable_503", seconds=7)
        with pytest.raises(httpx.HTTPStatusError) as caught:
            pusher.push()
        assert caught.value.response.headers["retry-after"] == "7"
        pusher.fault(kind="html_200")
        portal = pusher.http.post("/api/sync", json=request())
        assert portal.headers["content-type"].startswith("text/html")
        for kind in ("drop_before", "drop_after_commit"):
            pusher.fault(kind=kind)
            with pytest.raises(httpx.TransportError):
                pusher.push()
        pusher.fault(kind="delay", seconds=0.2)
        assert pusher.push() == ["duplicate"]
        assert pusher.http.get("/__faults__").json()["requests"] == 7
        pusher.http.close()
        assert server.stop() == 0

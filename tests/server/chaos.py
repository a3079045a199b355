"""Load on a server that is killed again and again, and what has to hold afterwards.

`python -m tests.server.chaos --kills 100` does it on each database and prints the figures.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from scripts.cluster import Cluster, running
from tests.server.builders import message, request
from tests.server.live import Live, children_of, live

CLIENTS = 4
PATIENCE = 60


@dataclass
class Client:
    """Pushes messages for as long as it may; what got no answer is sent again as it was."""

    name: str
    url: str
    acknowledged: dict[str, int] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    _seq: int = 0

    def run(self, may_go_on: Callable[[], bool]) -> None:
        """Push one to three messages at a time; at the end everything is acknowledged."""
        with httpx.Client(base_url=self.url, timeout=PATIENCE) as http:
            while may_go_on():
                settled = self._seq
                batch = [self._next() for _ in range(random.randint(1, 3))]
                self._push(http, request(*batch, client=self.name, settled_through=settled))

    def _next(self) -> dict[str, Any]:
        self._seq += 1
        return message(self._seq, f"Text {self._seq}", item=f"{self.name}-{self._seq}")

    def _push(self, http: httpx.Client, body: dict[str, Any]) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                answer = http.post("/api/sync", json={**body, "limit": 1})
            except httpx.TransportError as error:
                self.unanswered[type(error).__name__] += 1
                time.sleep(0.005)
                continue
            if answer.status_code == 503:
                self.unanswered["503"] += 1
                time.sleep(0.02)
                continue
            for result in answer.raise_for_status().json()["results"]:
                self.verdicts[result["verdict"]] += 1
                self.acknowledged[result["row"]["id"]] = result["row"]["version"]
            return
        raise AssertionError(f"{self.name} got no answer: {self.unanswered}")


class Load:
    """Clients that push at the same time until the context ends."""

    def __init__(self, url: str) -> None:
        self.clients = [Client(f"w{number}", url) for number in range(CLIENTS)]
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(c,)) for c in self.clients]

    @property
    def acknowledged(self) -> int:
        """How many actions have been acknowledged so far."""
        return sum(len(client.acknowledged) for client in self.clients)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def wait_for(self, more: int) -> float:
        """Wait until so many more actions are acknowledged; returns how many seconds it took."""
        began, before = time.monotonic(), self.acknowledged
        while self.acknowledged < before + more:
            assert not self._failures
            assert time.monotonic() < began + PATIENCE, "nothing is acknowledged any more"
            time.sleep(0.002)
        return time.monotonic() - began

    def _run(self, client: Client) -> None:
        try:
            client.run(lambda: not self._stop.is_set())
        except BaseException as error:
            self._failures.append(error)


@dataclass(frozen=True)
class Figures:
    """What came of a run. `pauses` are the seconds from each kill to the next acknowledgement."""

    kills: int
    acknowledged: int
    verdicts: Counter[str]
    unanswered: Counter[str]
    pauses: list[float]
    seconds: float

    def __str__(self) -> str:
        median = statistics.median(self.pauses) if self.pauses else 0
        return (
            f"{self.kills} kills in {self.seconds:.0f} s, {self.acknowledged} actions acknowledged "
            f"({self.verdicts['duplicate']} of them on a resend after their commit), "
            f"{self.unanswered.total()} requests without an answer or refused, acknowledging again "
            f"after {median:.2f} s (median), {max(self.pauses, default=0):.2f} s at most; "
            "lost: 0, twice: 0"
        )


def pulled(url: str) -> dict[str, int]:
    """Return the version of every item, pulled page by page."""
    found: dict[str, int] = {}
    cursor, more = None, True
    with httpx.Client(base_url=url, timeout=PATIENCE) as http:
        while more:
            body = request(client="reader", cursor=cursor)
            page = http.post("/api/sync", json=body).raise_for_status().json()
            found |= {row["id"]: row["version"] for row in page["rows"]}
            cursor, more = page["cursor"], page["has_more"]
    return found


def hammer(url: str, kills: int, kill: Callable[[Load], None]) -> Figures:
    """Kill something under load; then check that what was acknowledged is there, each once."""
    began = time.monotonic()
    pauses = []
    with Load(url) as load:
        for _ in range(kills):
            load.wait_for(more=CLIENTS)
            time.sleep(random.uniform(0, 0.02))
            kill(load)
            pauses.append(load.wait_for(more=1))
    acknowledged = {item: v for client in load.clients for item, v in client.acknowledged.items()}
    # Everything was acknowledged in the end. Each effect takes one version of the space, so a
    # second effect would leave a version too many, and a lost one an item too few.
    found = pulled(url)
    assert found == acknowledged
    assert sorted(found.values()) == list(range(1, len(acknowledged) + 1))
    verdicts: Counter[str] = sum((client.verdicts for client in load.clients), Counter())
    assert set(verdicts) <= {"applied", "duplicate"}
    unanswered: Counter[str] = sum((client.unanswered for client in load.clients), Counter())
    seconds = time.monotonic() - began
    return Figures(kills, len(acknowledged), verdicts, unanswered, pauses, seconds)


def workers_of(server: Live) -> list[int]:
    """Return the ids of a server's worker processes, the oldest first."""
    return children_of(server.process.pid)


def kill_a_worker(server: Live) -> None:
    """Kill the worker that has lived longest, and wait until another takes its place."""
    before = workers_of(server)
    os.kill(before[0], signal.SIGKILL)
    until = time.monotonic() + PATIENCE
    while len(now := workers_of(server)) < len(before) or before[0] in now:
        assert time.monotonic() < until, "the worker is not replaced"
        time.sleep(0.002)


def kill_servers(database: str, workers: int, kills: int) -> Figures:
    """Kill a server's workers under load."""
    return _with_workers(database, workers, kills, lambda server, _load: kill_a_worker(server))


def kill_writers(database: str, workers: int, kills: int) -> Figures:
    """Kill the process that writes for a worker under load, and then the worker, which writes."""

    def kill(server: Live, load: Load) -> None:
        (writer,) = children_of(workers_of(server)[0])
        os.kill(writer, signal.SIGKILL)
        load.wait_for(more=CLIENTS)
        kill_a_worker(server)

    return _with_workers(database, workers, kills, kill)


def _with_workers(
    database: str, workers: int, kills: int, kill: Callable[[Live, Load], None]
) -> Figures:
    command = ("-m", "tests.server.warm", "--database", database, "--workers", str(workers))
    with live(*command) as server:
        return hammer(server.url, kills, partial(kill, server))


def kill_postgresql(kills: int) -> Figures:
    """Kill PostgreSQL itself under load, in turn by a crash and by an immediate shutdown."""
    with running() as cluster, cluster.database() as database:
        command = ("-m", "tests.server.warm", "--database", database, "--workers", "2")
        how = iter([signal.SIGKILL, signal.SIGQUIT] * kills)
        with live(*command) as server:
            return hammer(server.url, kills, lambda _load: _restart(cluster, next(how)))


def _restart(cluster: Cluster, how: signal.Signals) -> None:
    cluster.stop(how)
    cluster.start()


@contextmanager
def databases() -> Iterator[Iterator[tuple[str, str, int]]]:
    """Return each kind of database: its name, its URL, and how many workers it is served by."""
    with tempfile.TemporaryDirectory() as folder, running() as cluster, cluster.database() as url:
        yield iter((("SQLite", f"sqlite:///{folder}/server.db", 1), ("PostgreSQL", url, 2)))


def main() -> None:
    """Print the figures of a run on each database."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--kills", type=int, default=100, help="of server processes (default 100)")
    parser.add_argument("--crashes", type=int, default=10, help="of PostgreSQL (default 10)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    for what, kill in (("a server", kill_servers), ("its writer, then of it", kill_writers)):
        with databases() as found:
            for name, url, workers in found:
                figures = kill(url, workers, options.kills)
                sys.stdout.write(f"kill -9 of {what}, {name}: {figures}\n")
    sys.stdout.write(f"PostgreSQL itself: {kill_postgresql(options.crashes)}\n")


if __name__ == "__main__":
    main()

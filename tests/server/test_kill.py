"""Killed between commit and reply, again and again: each effect once, nothing acknowledged lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.builders import message, request
from tests.server.live import Live, live

KILLS = 20


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
def command(tmp_path: Path) -> tuple[str, ...]:
    database = f"sqlite:///{tmp_path / 'server.db'}"
    return ("-m", "tests.server.faulty", "--port", "0", "--database", database)


def pulled(server: Live) -> list[dict[str, Any]]:
    body = request(client="reader")
    answer = httpx.post(f"{server.url}/api/sync", json=body).raise_for_status().json()
    rows: list[dict[str, Any]] = answer["rows"]
    return rows


def test_kill_between_commit_and_reply_has_each_effect_exactly_once(
    command: tuple[str, ...],
) -> None:
    pusher = Pusher("")
    verdicts: Counter[str] = Counter()
    for round_number in range(KILLS):
        with live(*command) as server, httpx.Client(base_url=server.url) as pusher.http:
            pusher.make(3)
            verdicts.update(pusher.push())
            pusher.make(2)
            pusher.fault(kind="kill_after_commit" if round_number % 4 else "kill_before")
            with pytest.raises(httpx.TransportError):
                pusher.push()
            assert server.process.wait(timeout=10) == -9
    with live(*command) as server, httpx.Client(base_url=server.url) as pusher.http:
        verdicts.update(pusher.push())
        rows = pulled(server)
    made = {f"m{seq}" for seq in range(1, 5 * KILLS + 1)}
    assert [row["version"] for row in rows] == list(range(1, len(made) + 1))
    assert {row["id"] for row in rows} == made
    assert pusher.acknowledged == {item.replace("m", "a") for item in made}
    assert verdicts["duplicate"] == 2 * KILLS * 3 // 4
    assert verdicts["applied"] + verdicts["duplicate"] == len(made)


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

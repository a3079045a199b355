"""The network between one device and the server, with faults chosen by the schedule's seed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from app.errors import Unreachable
from app.ports import HttpResponse
from tests.fakes import HTML, error_answer
from tests.simulation.server import Killed

if TYPE_CHECKING:
    from tests.simulation.device import Device
    from tests.simulation.world import World

Reply: TypeAlias = "asyncio.Future[HttpResponse]"

ANSWERS = {
    "error_500": error_answer(500, "internal"),
    "error_503": error_answer(503, "busy", retry_after="3"),
    "error_429": error_answer(429, "too_many_requests", retry_after="90"),
    "error_401": error_answer(401, "sign_in"),
    "error_426": error_answer(426, "update"),
    "html": HTML,
    "page_502": HttpResponse(502, "<h1>Bad Gateway</h1>", {"content-type": "text/html"}),
    "page_503": HttpResponse(503, "<h1>Maintenance</h1>", {"content-type": "text/html"}),
}
"""What is answered in the server's place."""


LATEST_COPY = 120.0
"""Seconds within which the second copy of a request arrives, where there are two."""


class Link:
    """The `Http` port of a device. Requests outlive the tab that made them."""

    def __init__(self, world: World, device: Device) -> None:
        self._world = world
        self._device = device
        self.cut: set[str] = set()
        self.script: list[str] = []
        self.gate: str | None = None
        self.page: str | None = None
        self._not_before = 0
        self._hurried = 0
        self._begun = 0
        self._answered = 0
        self.in_flight = 0
        self.times: list[int] = []
        self._sent = 0
        self._arrived = 0

    async def __call__(
        self,
        method: str,
        url: str,
        body: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> HttpResponse:
        reply: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        asked = self._world.clock.time
        self.times.append(asked)
        if asked != self._answered:  # else it is of the same synchronisation as the last one
            self._begun = asked
        if asked < self._not_before:
            self._world.fail(10, f"device {self._device.number} asked before Retry-After was over")
        self.in_flight += 1
        try:
            self._post(method, url, body, timeout, reply)
            answer = await reply
            self._note_wait(answer)
            return answer
        finally:
            self.in_flight -= 1
            self._answered = self._world.clock.time

    def hurry(self) -> None:
        """Somebody asked for a request now, or another context leads, which knows of no wait."""
        self._not_before = 0
        self._hurried = self._world.clock.time

    def _note_wait(self, answer: HttpResponse) -> None:
        seconds = int(answer.headers.get("retry-after", "0"))
        if seconds and self._hurried < self._begun:
            self._not_before = self._world.clock.time + seconds * 1000

    def _post(self, method: str, url: str, body: str | None, timeout: float, reply: Reply) -> None:
        world, rng = self._world, self._world.rng
        phase = "probe" if body is None else "pull" if '"actions":[]' in body else "push"
        scripted = phase == "push" and self.script
        fault = self.script.pop(0) if scripted else world.network_fault()
        if fault:
            world.coverage[fault, phase] += 1
        world.clock.call_later(timeout, lambda: _fail(reply))
        if "out" in self.cut or fault == "drop_request":
            if rng.random() < 0.5:
                world.clock.call_later(rng.uniform(0.01, 2), lambda: _fail(reply))
            return
        slow = rng.uniform(1, 45) if fault == "delay_request" else 0.0
        self._sent += 1
        number = self._sent
        arrive = partial(self._arrive, method, url, body, reply, number)
        world.clock.call_later(rng.uniform(0.01, 0.3) + slow, partial(arrive, fault))
        if fault == "duplicate":
            late = rng.uniform(0.01, LATEST_COPY)
            again = partial(self._arrive_again, method, url, body, reply, number)
            world.clock.call_later(late, again)

    def _arrive_again(
        self, method: str, url: str, body: str | None, reply: Reply, number: int
    ) -> None:
        ledger = self._world.ledger
        before = ledger.newest
        self._arrive(method, url, body, reply, number, "drop_answer")
        if ledger.newest != before:
            ledger.untold_at = self._world.clock.time

    def _arrive(
        self, method: str, url: str, body: str | None, reply: Reply, number: int, fault: str | None
    ) -> None:
        world, rng = self._world, self._world.rng
        if number < self._arrived and body and '"actions":[]' not in body:
            world.coverage["reordered", "push"] += 1
        self._arrived = max(self._arrived, number)
        gate = (self.page or self.gate) if body is not None else None
        if gate is not None:
            world.coverage[gate, "pull" if '"actions":[]' in (body or "") else "push"] += 1
        answer = ANSWERS.get(gate or fault or "")
        if answer is None:
            try:
                answer = world.server(method, url, body, fault == "kill_before_commit")
            except Killed:
                fault = "drop_answer"
        if answer is None or "in" in self.cut or fault in ("drop_answer", "kill_after_commit"):
            if rng.random() < 0.5:
                world.clock.call_later(rng.uniform(0.01, 2), lambda: _fail(reply))
            return
        slow = rng.uniform(1, 40) if fault == "delay_answer" else 0.0
        given = answer
        world.clock.call_later(rng.uniform(0.01, 0.3) + slow, lambda: _give(reply, given))


def _give(reply: Reply, answer: HttpResponse) -> None:
    if not reply.done():
        reply.set_result(answer)


def _fail(reply: Reply) -> None:
    if not reply.done():
        reply.set_exception(Unreachable("The network failed."))

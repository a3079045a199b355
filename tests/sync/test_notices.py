"""Turning notices on and off: at the browser and at the server, or at neither."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from app.errors import InvalidInput, Refused, Unreachable
from app.ports import HttpResponse
from app.sync.notices import Notices, NoticeState
from tests.fakes import API, HTML, FakeClock, error_answer, json_answer

KEY = json_answer(200, {"key": "abc"})
DONE = HttpResponse(204, "", {})
MADE = {"endpoint": "https://push.example/1", "keys": {"p256dh": "p", "auth": "a"}}


class Browser:
    """A browser that asks its person, who says `allows`, and has a push service."""

    def __init__(self) -> None:
        self.allows = True
        self.reaches = True
        self.key: str | None = None

    async def state(self) -> NoticeState:
        return "off" if self.key is None else "on"

    async def allow(self) -> bool:
        return self.allows

    async def subscribe(self, key: str) -> Mapping[str, Any]:
        if not self.reaches:
            raise Unreachable("This browser could not reach its push service.")
        self.key = key
        return MADE

    async def unsubscribe(self) -> str | None:
        known, self.key = self.key, None
        return None if known is None else str(MADE["endpoint"])


class Server:
    """Answers in order; `asked` are the requests."""

    def __init__(self, *answers: HttpResponse | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    async def __call__(
        self,
        method: str,
        url: str,
        body: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> HttpResponse:
        self.asked.append((method, url.removeprefix(API), json.loads(body) if body else None))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def device() -> str:
    return "device-1"


def notices(server: Server, browser: Browser, clock: FakeClock) -> Notices:
    return Notices(server, clock, API, browser, device)


async def test_turning_on_tells_the_server_where_the_browser_is(clock: FakeClock) -> None:
    server, browser = Server(KEY, DONE), Browser()
    await notices(server, browser, clock).turn_on()
    assert browser.key == "abc"
    asked = {**MADE, "client_id": "device-1"}
    assert server.asked == [("GET", "/push/key", None), ("POST", "/push/subscribe", asked)]


async def test_refusal_of_the_person_asks_nobody_else(clock: FakeClock) -> None:
    server, browser = Server(), Browser()
    browser.allows = False
    with pytest.raises(InvalidInput, match="does not let Driftline notify you"):
        await notices(server, browser, clock).turn_on()
    assert (browser.key, server.asked) == (None, [])


@pytest.mark.parametrize(
    "answer", [Unreachable("No network."), error_answer(503), HTML, error_answer(422)]
)
async def test_browser_is_not_left_on_where_the_server_does_not_know(
    clock: FakeClock, answer: HttpResponse | Exception
) -> None:
    browser = Browser()
    with pytest.raises((Unreachable, Refused)):
        await notices(Server(KEY, answer), browser, clock).turn_on()
    assert browser.key is None


@pytest.mark.parametrize("answer", [HTML, error_answer(503), json_answer(200, {"no": "key"})])
async def test_server_without_a_key_leaves_the_browser_as_it_was(
    clock: FakeClock, answer: HttpResponse
) -> None:
    browser = Browser()
    with pytest.raises((Unreachable, Refused)):
        await notices(Server(answer), browser, clock).turn_on()
    assert browser.key is None


async def test_turning_off_is_done_at_the_browser_whatever_the_server_says(
    clock: FakeClock,
) -> None:
    server, browser = Server(Unreachable("No network.")), Browser()
    browser.key = "abc"
    with pytest.raises(Unreachable):
        await notices(server, browser, clock).turn_off()
    assert browser.key is None
    assert server.asked == [("POST", "/push/unsubscribe", {"endpoint": MADE["endpoint"]})]


async def test_turning_off_what_is_off_asks_nobody(clock: FakeClock) -> None:
    server = Server()
    await notices(server, Browser(), clock).turn_off()
    assert server.asked == []

"""Event streams: where they go on from, and how many there may be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.types import Message

from server.app import create_app
from server.settings import Settings
from server.streams import Streams
from tests.server.builders import message
from tests.server.conftest import Api, StepClock


class Stream:
    """An event stream in process: its status, headers and events, as they come."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = ""
        self.gone = asyncio.Event()
        self._news = asyncio.Event()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        self.body += message.get("body", b"").decode()
        self._news.set()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    @property
    def events(self) -> list[dict[str, str]]:
        blocks = self.body.split("\r\n\r\n")[:-1]
        fields = [dict(line.split(": ", 1) for line in block.split("\r\n")) for block in blocks]
        return [event for event in fields if event.get("event")]

    async def until(self, count: int) -> list[dict[str, str]]:
        """Return the events once there are so many."""
        async with asyncio.timeout(5):
            while len(self.events) < count:
                self._news.clear()
                await self._news.wait()
        return self.events


@asynccontextmanager
async def stream(api: Api, last: str | None = None) -> AsyncIterator[Stream]:
    """Open a stream, and hang up at the end."""
    opened = Stream()
    headers = [] if last is None else [(b"last-event-id", last.encode("latin-1"))]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/api/events"}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "root_path": ""}
    scope["headers"] = headers
    task = asyncio.create_task(api.app(scope, opened.receive, opened.send))
    async with asyncio.timeout(5):
        while not opened.status:
            await asyncio.sleep(0)
    yield opened
    opened.gone.set()
    await asyncio.wait_for(task, 5)


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(database=database_url, max_streams_per_user=3, max_streams=5)


async def test_event_carries_its_cursor_as_id(api: Api) -> None:
    async with stream(api) as opened:
        await opened.until(1)
        cursor = (await api.sync(message(1)))["cursor"]
        first, second = await opened.until(2)
        assert first["id"] == f"c{api.services.epoch}.0"
        assert second["id"] == json.loads(second["data"])["cursor"] == cursor


async def test_stream_that_comes_back_with_nothing_missed_is_not_poked(api: Api) -> None:
    cursor = (await api.sync(message(1)))["cursor"]
    async with stream(api, last=cursor) as opened:
        newer = (await api.sync(message(2)))["cursor"]
        assert [event["id"] for event in await opened.until(1)] == [newer]


@pytest.mark.parametrize("last", ["c{epoch}.1", "c{epoch}.9", "c" + "f" * 16 + ".2", "", "ü\x00"])
async def test_stream_that_comes_back_from_elsewhere_is_poked_at_once(api: Api, last: str) -> None:
    cursor = (await api.sync(message(1), message(2)))["cursor"]
    async with stream(api, last=last.format(epoch=api.services.epoch)) as opened:
        assert [event["id"] for event in await opened.until(1)] == [cursor]


async def test_one_too_many_is_told_to_wait_and_a_place_comes_free(api: Api) -> None:
    async with stream(api), stream(api):
        async with stream(api) as third:
            assert third.status == 200
            answer = await api.http.get("/api/events")
            assert answer.status_code == 429
            assert answer.json()["error"]["code"] == "too_many_streams"
            assert int(answer.headers["retry-after"]) > 0
            assert api.services.streams.count == 3
        async with stream(api) as again:
            assert again.status == 200
    assert api.services.streams.count == 0


async def test_total_of_streams_is_limited_too(database_url: str) -> None:
    app = create_app(Settings(database=database_url, max_streams_per_user=9, max_streams=2))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as http,
    ):
        api = Api(app, http, StepClock())
        async with stream(api) as one, stream(api) as two:
            assert (one.status, two.status) == (200, 200)
            refused = await http.get("/api/events")
            assert refused.status_code == 429
            assert refused.json()["error"]["code"] == "too_many_streams"
        async with stream(api) as again:
            assert again.status == 200


def test_places_are_limited_for_each_and_in_all() -> None:
    streams = Streams(most_each=2, most=3)
    with streams.place("a") as one, streams.place("a") as two, streams.place("a") as three:
        assert (one, two, three) == (True, True, False)
        with streams.place("b") as four, streams.place("c") as five:
            assert (four, five) == (True, False)
    assert streams.count == 0


async def test_head_opens_no_stream(api: Api) -> None:
    assert (await api.http.head("/api/events")).status_code in (200, 405)
    assert api.services.streams.count == 0

"""Pokes among the streams of one process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message

from server import events
from server.pokes import LocalPokes
from tests.server.conftest import Api


async def test_listener_gets_the_newest_only() -> None:
    pokes = LocalPokes()
    with pokes.subscribe("a") as subscription:
        for version in (1, 3, 2):
            pokes.publish("a", version)
        assert await subscription.take() == 3
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(subscription.take(), 0.01)


async def test_poke_that_comes_again_or_late_wakes_nobody() -> None:
    pokes = LocalPokes()
    with pokes.subscribe("a") as subscription:
        pokes.publish("a", 2)
        assert await subscription.take() == 2
        for version in (2, 1):
            pokes.publish("a", version)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(subscription.take(), 0.01)


async def test_listener_is_not_told_what_it_turns_out_to_know() -> None:
    """Also where another server's poke was faster than the look at where it stands."""
    pokes = LocalPokes()
    with pokes.subscribe("a") as subscription:
        pokes.publish("a", 2)
        subscription.know(2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(subscription.take(), 0.01)
        pokes.publish("a", 4)
        subscription.know(3)
        assert await subscription.take() == 4
        pokes.close()
        subscription.know(5)
        assert await subscription.take() is None


async def test_poke_stays_within_its_space() -> None:
    pokes = LocalPokes()
    with pokes.subscribe("a") as mine, pokes.subscribe("b") as other:
        pokes.publish("a", 1)
        assert await mine.take() == 1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(other.take(), 0.01)


async def test_closing_ends_listeners_and_those_to_come() -> None:
    pokes = LocalPokes()
    with pokes.subscribe("a") as early:
        pokes.close()
        assert await early.take() is None
    with pokes.subscribe("a") as late:
        assert await late.take() is None


async def test_b9_quiet_stream_has_heartbeats_that_a_page_can_hear(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.01)
    sent: list[bytes] = []
    beaten = asyncio.Event()

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))
        if sent.count(b"event: heartbeat\r\ndata: {}\r\n\r\n") == 3:
            beaten.set()

    async def receive() -> Message:
        await beaten.wait()
        return {"type": "http.disconnect"}

    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/api/events", "headers": []}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "root_path": ""}
    await asyncio.wait_for(api.app(scope, receive, send), 10)
    cursor = f"c{api.services.epoch}.0"
    assert (
        f'id: {cursor}\r\nevent: changed\r\ndata: {{"cursor": "{cursor}"}}\r\n\r\n'.encode() in sent
    )

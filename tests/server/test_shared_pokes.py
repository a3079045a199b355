"""Pokes among servers on one PostgreSQL: at the commit, and none is missed for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from scripts.cluster import Cluster
from server import shared_pokes
from server.app import create_app
from server.identity import LOCAL
from server.pokes import Subscription
from server.services import Services
from server.settings import Settings
from tests.server.builders import message, request
from tests.server.conftest import Api

SPACE = LOCAL.space_id


@pytest.fixture
def kind() -> str:
    return "postgresql"


@pytest.fixture
async def other(api: Api, settings: Settings) -> AsyncIterator[Services]:
    """Return the services of another server on the database of `api`."""
    app: FastAPI = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app.state.services


async def heard(subscription: Subscription) -> int | None:
    return await asyncio.wait_for(subscription.take(), 10)


async def until_listening(subscription: Subscription, api: Api, seq: int) -> None:
    """Wait until pokes arrive; the connection that listens is made in the background."""
    await api.sync(message(seq))
    await heard(subscription)


async def test_commit_of_another_server_is_heard(api: Api, other: Services) -> None:
    with other.pokes.subscribe(SPACE) as theirs, api.services.pokes.subscribe(SPACE) as ours:
        for seq in (1, 2, 3):
            await api.sync(message(seq))
            assert await heard(theirs) == seq
            assert await heard(ours) == seq


async def test_own_poke_that_comes_back_wakes_nobody_twice(api: Api, other: Services) -> None:
    with other.pokes.subscribe(SPACE) as theirs, api.services.pokes.subscribe(SPACE) as ours:
        await api.sync(message(1))
        assert [await heard(theirs), await heard(ours)] == [1, 1]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ours.take(), 0.2)


async def test_nothing_is_heard_of_what_was_not_committed(api: Api, other: Services) -> None:
    def refuse(_connection: Connection) -> None:
        raise OperationalError("COMMIT", {}, Exception("disk is full"))

    engine = api.services.database.engine
    with other.pokes.subscribe(SPACE) as theirs:
        await until_listening(theirs, api, 1)
        event.listen(engine, "commit", refuse)
        assert (await api.post(request(message(2)))).status_code == 503
        event.remove(engine, "commit", refuse)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(theirs.take(), 0.2)
        assert (await api.sync(message(2)))["rows"]
        assert await heard(theirs) == 2


async def test_what_was_missed_while_the_connection_was_down_is_told_when_it_is_back(
    api: Api, other: Services, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listener's connection is cut off, and comes back only after another server's commit."""
    monkeypatch.setattr(shared_pokes, "FIRST_PAUSE", 0.01)
    may_connect = asyncio.Event()
    connect = other.pokes._connect  # type: ignore[attr-defined] # of SharedPokes

    async def connect_later() -> Any:
        await may_connect.wait()
        return await connect()

    with other.pokes.subscribe(SPACE) as theirs:
        await until_listening(theirs, api, 1)
        monkeypatch.setattr(other.pokes, "_connect", connect_later)
        name = api.services.database.engine.url.database
        cluster.cut_off(str(name))
        await api.sync(message(2))
        await api.sync(message(3))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(theirs.take(), 0.2)
        may_connect.set()
        assert await heard(theirs) == 3
        await api.sync(message(4))
        assert await heard(theirs) == 4


async def test_database_that_is_away_at_the_start_is_listened_to_later(
    api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_pokes, "FIRST_PAUSE", 0.01)
    app = create_app(settings)
    pokes = app.state.services.pokes
    right = pokes._parameters
    pokes._parameters = {**right, "host": "/proc/none"}
    async with app.router.lifespan_context(app):
        with pokes.subscribe(SPACE) as theirs:
            await api.sync(message(1))
            pokes._parameters = right
            assert await heard(theirs) == 1

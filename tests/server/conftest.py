"""A server in process, on a real database: an SQLite file, and a database of PostgreSQL."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Table, func, select

from scripts.cluster import Cluster, running
from server.app import create_app
from server.database import Database
from server.migrations import migrate
from server.services import Services
from server.settings import Settings
from tests.server.builders import request


@contextmanager
def migrated(url: str) -> Iterator[Database]:
    """Open an empty database, with its tables."""
    database = Database(url)
    migrate(database)
    yield database
    database.close()


class StepClock:
    """Microseconds that stand still until a test moves them."""

    def __init__(self) -> None:
        self.now = 1_760_000_000_000_000

    def __call__(self) -> int:
        return self.now


@dataclass
class Api:
    """A server and an HTTP client of it."""

    app: FastAPI
    http: httpx.AsyncClient
    clock: StepClock

    @property
    def services(self) -> Services:
        services: Services = self.app.state.services
        return services

    async def post(self, body: Any) -> httpx.Response:
        return await self.http.post("/api/sync", json=body)

    async def sync(self, *actions: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Push and pull; the answer has to be a good one."""
        response = await self.post(request(*actions, **fields))
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def verdicts(self, *actions: dict[str, Any], **fields: Any) -> list[str]:
        """Push, and return what the verdicts are."""
        return [result["verdict"] for result in (await self.sync(*actions, **fields))["results"]]

    def count(self, table: Table) -> int:
        """Return how many records a table holds."""
        query = select(func.count()).select_from(table)
        return self.services.database.read(lambda c: c.execute(query).scalar_one())


SERVERS_THREADS = ("writer", "reader")


@pytest.fixture(scope="module", autouse=True)
def _nothing_goes_on() -> Iterator[None]:
    """Fail where a module's tests leave a server behind: its threads, or its task that listens."""
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert not [name for name in left if name.startswith(SERVERS_THREADS)], left
    assert not [task for task in _tasks() if "SharedPokes._listen" in repr(task)]


def _tasks() -> list[asyncio.Task[Any]]:
    """Return the tasks of every event loop that have not ended."""
    found = [it for it in gc.get_objects() if isinstance(it, asyncio.Task)]
    return [task for task in found if not task.done()]


DATABASES = ("sqlite", "postgresql")
MakeDatabase = Callable[[], str]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Return a PostgreSQL of the tests' own; what it writes need not outlive the machine."""
    with running(durable=False) as cluster:
        yield cluster


@pytest.fixture(params=DATABASES)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the kind of database: a test that asks for it, or for one, is run on each."""
    return str(request.param)


@pytest.fixture
def make_database(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[MakeDatabase]:
    """Return what makes an empty database of that kind and returns its URL."""
    files = (tmp_path / f"server{number or ''}.db" for number in count())
    with ExitStack() as made:

        def make() -> str:
            if kind == "sqlite":
                return f"sqlite:///{next(files)}"
            cluster: Cluster = request.getfixturevalue("cluster")
            return made.enter_context(cluster.database())

        yield make


@pytest.fixture
def database_url(make_database: MakeDatabase) -> str:
    """Return the URL of an empty database."""
    return make_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Return an empty database of that kind, with its tables."""
    with migrated(database_url) as database:
        yield database


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(database=database_url)


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    clock = StepClock()
    app = create_app(settings, clock)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as http,
    ):
        yield Api(app, http, clock)

"""A server in process, on a real database file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Table, func, select

from server.app import create_app
from server.services import Services
from server.settings import Settings
from tests.server.builders import request


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


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(database=f"sqlite:///{tmp_path / 'server.db'}")


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

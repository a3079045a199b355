"""The API for pages of other origins: closed, but for those that are allowed."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from server.app import create_app
from server.settings import Settings
from tests.server.builders import request

FOREIGN = {"origin": "https://page.example", "sec-fetch-site": "cross-site"}


@pytest.mark.parametrize(("allowed", "status"), [((), 403), (("https://page.example",), 200)])
async def test_only_allowed_origins_may_write(
    settings: Settings, allowed: tuple[str, ...], status: int
) -> None:
    app = create_app(replace(settings, allowed_origins=allowed))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http,
    ):
        answer = await http.post("/api/sync", json=request(), headers=FOREIGN)
        assert answer.status_code == status
        assert answer.headers.get("access-control-allow-origin") == next(iter(allowed), None)
        asked = {**FOREIGN, "access-control-request-method": "POST"}
        preflight = await http.options("/api/sync", headers=asked)
        assert preflight.headers.get("access-control-allow-origin") == next(iter(allowed), None)

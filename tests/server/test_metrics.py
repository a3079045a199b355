"""What the server counts and logs: numbers and ids, never what people wrote."""

from __future__ import annotations

import logging
import re

import pytest

from app.core.actions import ActionType, registry
from app.core.backoff import DEFAULT_RETRY
from server.app import create_app
from server.settings import Settings
from tests.server.builders import action, message, request
from tests.server.conftest import Api

CANARY = "canary-7f3a"


async def metric(api: Api, line: str) -> float:
    """Return the value of a metric, 0 where it is not there."""
    text = (await api.http.get("/api/metrics")).text
    found = re.search(rf"^{re.escape(line)} (.+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0


async def test_verdicts_are_counted_by_kind(api: Api) -> None:
    assert await metric(api, 'driftline_verdicts_total{verdict="conflict"}') == 0
    await api.sync(message(1), message(2), message(3, ""))
    await api.sync(message(1))
    await api.http.post("/api/messages", json={"text": "Hi", "sent_at": 1})
    counts = {"applied": 3, "duplicate": 1, "rejected": 1, "conflict": 0, "retry": 0}
    for verdict, count in counts.items():
        assert await metric(api, f'driftline_verdicts_total{{verdict="{verdict}"}}') == count


async def test_requests_are_timed_by_route_and_class_of_status(api: Api) -> None:
    await api.sync()
    await api.post({})
    for item in ("a", "b", "c"):
        await api.http.get(f"/api/messages/{item}")
        await api.http.get(f"/{item}")

    async def count(route: str, status: str) -> float:
        name = "driftline_request_seconds_count"
        return await metric(api, f'{name}{{route="{route}",status="{status}"}}')

    assert await count("/api/sync", "2xx") == 1
    assert await count("/api/sync", "4xx") == 1
    assert await count("/api/{collection}/{item_id}", "4xx") == 3
    assert await count("other", "4xx") == 3


async def test_open_streams_are_counted(api: Api) -> None:
    with api.services.streams.place("a"):
        assert await metric(api, "driftline_open_streams") == 1
    assert await metric(api, "driftline_open_streams") == 0


async def test_each_app_counts_for_itself(api: Api, settings: Settings) -> None:
    await api.sync(message(1))
    other = create_app(settings)
    assert b'driftline_verdicts_total{verdict="applied"} 0.0' in other.state.services.metrics.text()
    other.state.services.close()


async def test_metrics_are_plain_text(api: Api) -> None:
    answer = await api.http.get("/api/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["cache-control"] == "no-store"


async def test_line_of_a_request_has_its_id_and_counts(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = await api.post(request(message(1), message(2), message(3, ""), client="c7"))
    (line,) = [r.getMessage() for r in caplog.records if r.name == "driftline.requests"]
    request_id = answer.headers["x-request-id"]
    assert re.fullmatch(
        rf"POST /api/sync status=200 ms=\d+\.\d request={request_id} client=c7 actions=3 "
        "applied=2 rejected=1 rows=2",
        line,
    )
    other = await api.http.get("/api/health")
    assert other.headers["x-request-id"] != request_id


def _defect(current: object, action: object) -> None:
    raise ValueError(f"cannot handle {action}")


async def test_nothing_that_people_write_is_logged_or_counted(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = ActionType(_defect, False, 1, DEFAULT_RETRY)
    monkeypatch.setitem(registry._types, "broken", broken)
    caplog.set_level(logging.DEBUG, "server")
    caplog.set_level(logging.DEBUG, "driftline")
    caplog.set_level(logging.INFO)
    said = {"text": CANARY}
    verdicts = await api.verdicts(
        message(1, CANARY),
        message(1, CANARY + CANARY),
        message(2, CANARY * 1000),
        action(3, "broken", data=said),
        action(4, "update", "m1", collection="messages", data={"sent_at": CANARY}),
    )
    assert verdicts == ["applied", "rejected", "rejected", "rejected", "retry"]
    await api.post({"protocol": CANARY})
    await api.http.post("/api/sync", content=f"{CANARY}{{", headers={"X-Said": CANARY})
    await api.http.post("/api/messages", json={"text": CANARY, "sent_at": 1})
    await api.http.get(f"/api/messages?cursor={CANARY}")
    await api.http.get("/api/health", headers={"X-Request-Id": CANARY})
    lines = [f"{r.getMessage()} {r.exc_text or ''}" for r in caplog.records]
    assert any("of type broken cannot be run: ValueError" in line for line in lines)
    own = [line for line in lines if not line.startswith("HTTP Request:")]  # the test's client
    assert len(own) >= 7
    assert CANARY not in "\n".join(own)
    assert CANARY not in (await api.http.get("/api/metrics")).text

"""Every way to a server keeps the transport contract."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contracts.transport import ALL, JOBS, Case, Stage
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback
from tests.plain_api import PlainApi

WAYS = {
    "batch": {},
    "rest": {},
    "plain": {"keys": True, "rows": True, "echo": True},
    "bare": {"keys": False, "rows": False, "echo": False},
}
"""The batch protocol and REST on our server; REST on others that do much, or the least."""


@pytest.fixture(params=WAYS)
async def stage(
    request: pytest.FixtureRequest, clock: FakeClock, server: Loopback
) -> AsyncIterator[Stage]:
    way: str = request.param
    plain = PlainApi(**WAYS[way]) if WAYS[way] else None
    network = FakeNetwork(clock, plain or server)
    devices: list[Device] = []

    def device() -> Device:
        devices.append(Device(clock, network, seed=len(devices) + 1, rest=way != "batch"))
        return devices[-1]

    def rows() -> list[dict[str, Any]]:
        asked = json.dumps({"protocol": 1, "client_id": "reader"})
        found: list[dict[str, Any]] = json.loads(server("POST", "/api/sync", asked).body)["rows"]
        return found

    def items() -> dict[str, dict[str, object]]:
        if plain is None:
            return {row["id"]: row["data"] for row in rows() if not row["deleted"]}
        held = plain.collections[JOBS].items()
        return {key: {name: item[name] for name in ("title", "note", "done")} for key, item in held}

    def effects() -> int:
        if plain is not None:
            return plain.effects
        return max((int(str(row["version"])) for row in rows()), default=0)

    yield Stage(clock, network, device, items, effects)
    for each in devices:
        await each.kill()


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.__name__)
async def test_transport(case: Case, stage: Stage) -> None:
    await case(stage)

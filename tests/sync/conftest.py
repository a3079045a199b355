"""A clock, a server and a device for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.core.collections import registry
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback
from tests.pair import Pair, made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(tmp_path: Path, clock: FakeClock) -> Iterator[Loopback]:
    loopback = Loopback(tmp_path, clock)
    yield loopback
    loopback.close()


@pytest.fixture
def network(clock: FakeClock, server: Loopback) -> FakeNetwork:
    return FakeNetwork(clock, server)


@pytest.fixture
async def device(clock: FakeClock, network: FakeNetwork) -> AsyncIterator[Device]:
    device = Device(clock, network)
    yield device
    await device.kill()


@pytest.fixture
async def pair(
    clock: FakeClock, network: FakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pair]:
    """Two devices and one note; what policies a test declares are its own."""
    monkeypatch.setattr(registry, "_policies", {})
    pair, devices = await made(clock, network)
    yield pair
    for device in devices:
        await device.kill()

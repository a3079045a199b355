"""A clock, a server and a device for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback


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

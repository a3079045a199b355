"""The first write of all: whether a device can keep anything is known by trying, once."""

from __future__ import annotations

import random

import pytest

from app.errors import StorageError
from app.sync.identity import first_write, own_identity
from tests.fakes import Device, FakeClock


async def test_store_that_opens_but_refuses_the_first_write_is_found_out(
    device: Device, clock: FakeClock
) -> None:
    device.store.fail_when = lambda batch: bool(batch.writes)
    with pytest.raises(StorageError):
        await first_write(device.store, clock, random.Random(1))


async def test_store_in_use_is_never_given_up_however_full_it_is(
    device: Device, clock: FakeClock
) -> None:
    await first_write(device.store, clock, random.Random(1))
    made = (await own_identity(device.store, clock, random.Random(2))).client_id
    device.store.fail_when = lambda batch: True
    await first_write(device.store, clock, random.Random(3))
    device.store.fail_when = lambda batch: False
    assert (await own_identity(device.store, clock, random.Random(4))).client_id == made

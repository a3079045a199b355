"""Preferences: kept on the device, the same in every tab, and never in the way of a start."""

from __future__ import annotations

import pytest

from app.core.schema import METADATA
from app.errors import InvalidInput
from app.ports import Batch, Put
from app.sync.preferences import KEY
from tests.fakes import Device, FakeClock


async def test_what_was_set_is_there_after_a_restart(device: Device) -> None:
    client = await device.open()
    await client.preferences.change(name="Ada")
    await device.kill()
    again = await device.open()
    assert again.preferences.get().name == "Ada"


async def test_other_tabs_hear_of_it(device: Device, clock: FakeClock) -> None:
    first, second = await device.open(), await device.open()
    await first.preferences.change(name="Ada")
    await clock.settle()
    assert second.preferences.get().name == "Ada"


async def test_what_cannot_be_kept_is_refused_in_words_and_changes_nothing(device: Device) -> None:
    client = await device.open()
    await client.preferences.change(name="Ada")
    with pytest.raises(InvalidInput) as refused:
        await client.preferences.change(name="x" * 81)
    assert refused.value.fields.keys() == {"name"}
    assert client.preferences.get().name == "Ada"


async def test_damaged_preferences_count_as_not_set(device: Device) -> None:
    broken = Put(METADATA, {"key": KEY, "value": {"name": 7}})
    await device.store.transact([], lambda: Batch([broken]))
    client = await device.open()
    assert client.preferences.get().name == ""

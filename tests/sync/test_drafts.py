"""Drafts: what was begun is there after a restart, until it is saved."""

from __future__ import annotations

from app.core.schema import METADATA
from app.ports import Batch, Put
from tests.fakes import Device, FakeClock


async def test_draft_survives_a_restart_with_its_time(device: Device, clock: FakeClock) -> None:
    client = await device.open()
    assert await client.drafts.get("messages") is None
    await client.drafts.keep("messages", "half a thought")
    kept_at = clock.now()
    await device.kill()
    draft = await (await device.open()).drafts.get("messages")
    assert draft is not None
    assert (draft.text, draft.kept_at) == ("half a thought", kept_at)


async def test_empty_field_leaves_no_draft_and_others_are_left_alone(device: Device) -> None:
    client = await device.open()
    await client.drafts.keep("messages", "one")
    await client.drafts.keep("notes", "two")
    await client.drafts.keep("messages", "")
    assert await client.drafts.get("messages") is None
    kept = await client.drafts.get("notes")
    assert kept is not None
    assert kept.text == "two"


async def test_damaged_draft_counts_as_none(device: Device) -> None:
    broken = Put(METADATA, {"key": "draft:messages", "value": {"text": "x"}})
    await device.store.transact([], lambda: Batch([broken]))
    client = await device.open()
    assert await client.drafts.get("messages") is None

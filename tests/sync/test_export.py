"""Export: all of a device in one file, read page by page while work goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.core.messages import COLLECTION, SEND
from app.ports import Query
from app.sync import export
from app.sync.client import Client
from tests.fakes import Device, FakeClock, FakeNetwork


async def fill(client: Client, clock: FakeClock, *texts: str) -> None:
    for text in texts:
        await client.queue.add(
            SEND, {"text": text}, collection=COLLECTION, item_id=client.queue.new_id()
        )
    await clock.settle()


async def exported(client: Client) -> dict[str, Any]:
    pieces = [piece async for piece in client.export(app_version="1.2.3")]
    document: dict[str, Any] = json.loads("".join(pieces))
    return document


async def test_export_has_rows_outbox_preferences_and_versions(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await client.preferences.change(name="Ada")
    await fill(client, clock, "sent")
    network.down = True
    await fill(client, clock, "waiting")
    found = await exported(client)
    assert [row["data"]["text"] for row in found["rows"]["messages"]] == ["sent"]
    assert [json.loads(entry["action"])["data"] for entry in found["outbox"]] == [
        {"text": "waiting"}
    ]
    assert found["preferences"]["name"] == "Ada"
    assert found["client_id"] == await client.client_id()
    assert (found["app_version"], found["exported_at"]) == ("1.2.3", clock.time)


async def test_export_reads_pages_and_loses_nothing_that_is_sent_between_them(
    device: Device, clock: FakeClock, network: FakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    client = await device.open()
    network.down = True
    texts = ["one", "two", "three", "four", "five"]
    await fill(client, clock, *texts)
    pieces = client.export()
    text = await anext(pieces) + await anext(pieces)
    network.down = False
    await client.sync()
    limits = watched(device, monkeypatch)
    found = json.loads(text + "".join([piece async for piece in pieces]))
    sent = {row["data"]["text"] for row in found["rows"]["messages"]}
    assert sent == set(texts)
    assert len(found["outbox"]) == 2
    assert len(limits) >= 4
    assert set(limits) == {2}


def watched(device: Device, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Record the limit of each scan that is read by itself, as the export reads."""
    limits: list[Any] = []
    read = device.store.read

    async def recorded(*queries: Query) -> list[Any]:
        if len(queries) == 1 and getattr(queries[0], "store", "") in ("rows", "outbox"):
            limits.append(getattr(queries[0], "limit", "get"))
        return await read(*queries)

    monkeypatch.setattr(device.store, "read", recorded)
    return limits

"""Rows that do not fit, or cannot be read: never passed over in silence, never in the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from app.core.actions import registry
from app.core.schema import INVALID_ROWS, ROWS
from app.ports import Batch, Get, HttpResponse, Put, Scan
from app.sync.client import Client
from app.sync.collection import Collection
from app.ui.words import trouble_text
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback
from tests.sync.test_engine import idle, send


class Letter(BaseModel):
    title: str


class LaterLetter(BaseModel):
    """The same in a later version of the app."""

    title: str | list[str]


class StricterLetter(Letter):
    stamp: str


class NewerServer:
    """The real server, but that some of its rows are of a newer version than this app's."""

    def __init__(self, server: Loopback) -> None:
        self._server = server
        self.data: dict[str, Any] = {}

    def __call__(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        answer = self._server(method, url, body, headers)
        if not answer.body or "rows" not in json.loads(answer.body):
            return answer
        content = json.loads(answer.body)
        for row in content["rows"]:
            row["data"] = self.data.get(row["id"], row["data"])
        return HttpResponse(answer.status, json.dumps(content), answer.headers)


@pytest.fixture(autouse=True)
def _own_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the models that a test declares from other tests."""
    monkeypatch.setattr(registry, "_models", dict(registry._models))


@pytest.fixture
def newer(server: Loopback) -> NewerServer:
    return NewerServer(server)


@pytest.fixture
def network(clock: FakeClock, newer: NewerServer) -> FakeNetwork:
    return FakeNetwork(clock, newer)


def letters(client: Client, model: type[BaseModel] = Letter) -> Collection[Any]:
    return client.collection("letters", model)


async def titles(client: Client, model: type[BaseModel] = Letter) -> list[Any]:
    return [letter.title for letter in await letters(client, model).all()]


async def write(clock: FakeClock, network: FakeNetwork, *names: str) -> None:
    """Have another device write letters whose ids are their titles."""
    device = Device(clock, network, seed=9)
    client = await device.open()
    for name in names:
        await client.queue.add("create", {"title": name}, collection="letters", item_id=name)
    await clock.until(lambda: idle(client))
    await device.kill()


async def pulled_with_an_invalid_one(
    device: Device, clock: FakeClock, newer: NewerServer
) -> Client:
    newer.data["two"] = {"title": ["of", "two"], "colour": "red"}
    await write(clock, device.network, "one", "two", "three")
    client = await device.open()
    letters(client)
    await clock.until(lambda: idle(client))
    return client


async def test_s30_row_that_does_not_fit_its_model_is_kept_reported_and_in_nobodys_way(
    device: Device, clock: FakeClock, newer: NewerServer, server: Loopback
) -> None:
    client = await pulled_with_an_invalid_one(device, clock, newer)
    assert client.status.get().invalid == 1
    assert "1 item on this device cannot be shown" in trouble_text(client.status.get())
    assert await titles(client) == ["one", "three"]
    row, note = await device.store.read(
        Get(ROWS, ["letters", "two"]), Get(INVALID_ROWS, ["letters", "two"])
    )
    assert row["data"] == newer.data["two"], "as it came"
    assert set(note["fields"]) == {"title"}
    await send(client, "the rest goes on")
    await clock.until(lambda: idle(client))
    assert server.texts() == ["the rest goes on"]
    await device.kill()
    again = await device.open()
    letters(again)
    assert again.status.get().invalid == 1


async def test_s30_version_of_the_app_that_knows_the_row_shows_it(
    device: Device, clock: FakeClock, newer: NewerServer
) -> None:
    await pulled_with_an_invalid_one(device, clock, newer)
    await device.kill()
    updated = await device.open()
    assert await titles(updated, LaterLetter) == ["one", ["of", "two"], "three"]
    await clock.settle()
    assert updated.status.get().invalid == 0
    assert trouble_text(updated.status.get()) == ""


async def test_s30_row_that_is_put_right_is_shown_and_not_reported_any_more(
    device: Device, clock: FakeClock, newer: NewerServer
) -> None:
    client = await pulled_with_an_invalid_one(device, clock, newer)
    newer.data.clear()
    other = await Device(clock, device.network, seed=3).open()
    await other.sync()
    await letters(other).save(Letter(title="put right"), "two")
    await clock.until(lambda: idle(other))
    await client.sync()
    await clock.settle()
    assert client.status.get().invalid == 0
    assert await titles(client) == ["one", "three", "put right"]


async def test_s30_rows_that_a_newer_app_does_not_fit_any_more_are_reported(
    device: Device, clock: FakeClock, newer: NewerServer
) -> None:
    await write(clock, device.network, "one", "two")
    client = await device.open()
    await clock.until(lambda: idle(client))
    assert await titles(client, StricterLetter) == []
    await clock.settle()
    assert client.status.get().invalid == 2
    assert "2 items" in trouble_text(client.status.get())


async def tear(device: Device, letter: str, damage: dict[str, Any]) -> None:
    """Damage a stored row."""
    (row,) = await device.store.read(Get(ROWS, ["letters", letter]))
    await device.store.transact([], lambda: Batch([Put(ROWS, {**row, **damage})]))


@pytest.mark.parametrize(
    "damage", [{"version": None}, {"data": "torn"}, {"deleted": "?", "updated_by": 7}]
)
async def test_h3_row_that_was_damaged_on_the_device_is_brought_back_from_the_server(
    device: Device, clock: FakeClock, damage: dict[str, Any]
) -> None:
    await write(clock, device.network, "one", "two", "three")
    client = await device.open()
    await clock.until(lambda: idle(client))
    await tear(device, "two", damage)
    assert await titles(client) == ["one", "three"]
    await clock.settle()
    assert client.status.get().invalid == 1
    await clock.advance(2)
    assert await titles(client) == ["one", "two", "three"]
    assert client.status.get().invalid == 0


@pytest.mark.parametrize("met", ["by_id", "by_page"])
async def test_h3_damaged_row_that_is_not_shown_is_brought_back_once_it_is_met(
    device: Device, clock: FakeClock, met: str
) -> None:
    await write(clock, device.network, "one", "two")
    client = await device.open()
    await clock.until(lambda: idle(client))
    await tear(device, "one", {"version": "torn"})
    found = letters(client)
    if met == "by_id":
        assert await found.get("one") is None
    else:
        assert [it.id for it in await found.page()] == ["two"]
    await clock.advance(2)
    assert await found.get("one") == Letter(title="one")


async def test_h3_damaged_row_keeps_nobody_from_the_others_where_the_disk_is_full(
    device: Device, clock: FakeClock
) -> None:
    await write(clock, device.network, "one", "two")
    client = await device.open()
    await clock.until(lambda: idle(client))
    await tear(device, "two", {"version": None})
    device.store.fail_when = lambda _batch: True
    assert await titles(client) == ["one"]
    device.store.fail_when = lambda _batch: False
    await clock.advance(7)
    assert await titles(client) == ["one", "two"]


async def test_h3_damaged_row_does_not_keep_its_item_from_being_pulled(
    device: Device, clock: FakeClock
) -> None:
    await write(clock, device.network, "one")
    client = await device.open()
    await clock.until(lambda: idle(client))
    await tear(device, "one", {"version": "torn"})
    other = await Device(clock, device.network, seed=3).open()
    await other.sync()
    await letters(other).save(Letter(title="newer"), "one")
    await clock.until(lambda: idle(other))
    report = await client.sync()
    assert report.error is None
    assert await titles(client) == ["newer"]
    (found,) = await device.store.read(Scan(INVALID_ROWS))
    assert found == []

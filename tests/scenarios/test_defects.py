"""Defects of an application's own functions: one action fails, one row is noted, no more."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from app.core.actions import Data, Registry, registry
from app.core.messages import COLLECTION, Message, compose
from app.core.schema import INVALID_ROWS
from app.errors import Rejected
from app.ports import Scan
from app.protocol import Action
from app.sync.client import Client
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback
from tests.sync.test_engine import idle, send


def broken(current: Data | None, _action: Action) -> Data | None:
    """Do what nobody meant."""
    return {"text": (current or {})["no such field"]}


class Brittle(BaseModel):
    """A model whose validator has a defect, or meets data that nobody thought of."""

    text: Any

    @field_validator("text")
    @classmethod
    def _look_up(cls, value: Any) -> Any:
        return value["key"]


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a test registers from other tests."""
    for name in ("_types", "_models", "_upcasters"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))


async def with_a_broken_action(client: Client, collection: str) -> str:
    """Enqueue an action, then have its function break, as another version of the app would."""
    action_id = await client.queue.add("break", {}, collection=collection, item_id="broken")
    registry.action("break")(broken)
    return action_id


async def test_action_whose_function_breaks_in_the_view_keeps_nobody_from_being_shown(
    device: Device, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open(run=False)
    await with_a_broken_action(client, COLLECTION)
    await send(client, "fine")
    messages = client.collection(COLLECTION, Message)
    await messages.load()
    assert [item.value.text for item in messages.get_view().items] == ["fine"]


@pytest.mark.parametrize("rest", [False, True], ids=["batch", "rest"])
async def test_action_whose_function_breaks_fails_alone(
    device: Device, clock: FakeClock, server: Loopback, rest: bool
) -> None:
    device.rest = rest
    client = await device.open(run=False)
    bad = await with_a_broken_action(client, COLLECTION)
    await send(client, "fine")
    runner = await device.open()
    await clock.until(lambda: runner.status.get().failed == 1 and runner.queue.count == 1)
    entry = await runner.queue.get(bad)
    assert entry.error is not None
    assert entry.error.code == "failed"
    assert "no such field" not in entry.error.message
    assert server.texts() == ["fine"]


async def test_upcaster_that_breaks_is_one_action_s_defect(
    device: Device, clock: FakeClock, server: Loopback
) -> None:
    client = await device.open(run=False)
    registry.action("note")(lambda _, action: {**(action.data or {}), "sent_at": 1})
    bad = await client.queue.add("note", compose("old"), collection=COLLECTION, item_id="n")
    await send(client, "fine")
    registry.action("note", version=2)(lambda _, action: action.data)
    registry.upcast("note", 1, 2)(lambda data: {"text": data["never there"]})
    runner = await device.open()
    shown = await runner.collection(COLLECTION, Message).all()
    assert [message.text for message in shown] == ["fine"]
    await clock.until(lambda: runner.status.get().failed == 1 and runner.queue.count == 1)
    assert (await runner.queue.get(bad)).state == "failed"
    assert server.texts() == ["fine"]


async def test_row_at_which_a_validator_breaks_is_noted_and_the_rest_goes_on(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    other = Device(clock, network, seed=5)
    author = await other.open()
    await author.queue.add("create", {"text": "plain"}, collection="odd", item_id="a")
    await clock.until(lambda: idle(author))
    await other.kill()
    registry.declare("odd", Brittle)
    client = await device.open()
    await send(client, "mine")
    await clock.until(lambda: idle(client))
    assert server.texts() == ["mine"]
    (notes,) = await device.store.read(Scan(INVALID_ROWS))
    assert [(note["id"], note["fields"]) for note in notes] == [
        ("a", {"data": "cannot be checked here (TypeError)"})
    ]
    assert client.status.get().invalid == 1


def test_validator_that_breaks_refuses_the_action_and_says_nothing_of_its_data() -> None:
    own = Registry()
    own.declare("odd", Brittle)
    own.action("put")(lambda _, action: action.data)
    action = Action(
        id="a", seq=1, type="put", collection="odd", item_id="i", data={"text": {}}, created_at=0
    )
    for apply in (own.apply, own.attempt):
        with pytest.raises(Rejected) as refused:
            apply(None, action)
        assert refused.value.code == "invalid"
        assert refused.value.fields == {"data": "cannot be checked here (KeyError)"}


def test_defect_of_a_function_is_seen_by_its_author_and_refused_elsewhere() -> None:
    own = Registry()
    own.action("break")(broken)
    action = Action(id="a", seq=1, type="break", collection="c", item_id="i", created_at=0)
    with pytest.raises(KeyError):
        own.apply(None, action)
    with pytest.raises(Rejected) as refused:
        own.attempt(None, action)
    assert refused.value.code == "failed"

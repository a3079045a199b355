"""Coalescing changes how much is sent, never what comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core import crud
from app.core.actions import Registry
from app.core.claim import claim, requeue
from app.core.edit import edit
from app.core.enqueue import Draft, Enqueued, enqueue
from app.core.entry import read_entries
from app.core.schema import OUTBOX, UPGRADES
from app.core.settle import settle
from app.errors import Rejected
from app.memory import MemoryStore
from app.ports import Scan
from app.protocol import MAX_ACTION_BYTES, Action
from server.apply import apply_batch
from server.prepared import prepare
from server.records import Author, Before, StoredRow
from tests.core.test_outbox import answer
from tests.examples import examples

NOW = 1_000_000


def made(*, coalescing: bool) -> Registry:
    """Return a registry of create, update, put and delete, that coalesces or not."""
    own = Registry()
    own.action("create")(crud.create)
    own.action("update", checks_version=True)(crud.update)
    own.action("put", checks_version=True)(crud.put)
    own.action("delete", checks_version=True)(crud.delete)
    if coalescing:
        own.coalesces("create", "update")(crud.change_what_was_made)
        own.coalesces("update", "update")(crud.change_what_was_made)
        own.coalesces("put", "update")(crud.change_what_was_made)
        own.coalesces("update", "delete")(crud.delete_instead)
        own.coalesces("put", "delete")(crud.delete_instead)
        own.coalesces("create", "delete")(crud.never_mind)
    return own


class World:
    """One device and one server, without anything in between."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.store = MemoryStore(UPGRADES)
        self.rows: dict[tuple[str, str], StoredRow] = {}
        self.version = 0
        self.sent = 0
        self.made = 0

    async def add(self, kind: str, data: dict[str, Any] | None = None, item: str = "a") -> str:
        self.made += 1
        draft = Draft(f"n{self.made}", kind, "things", item, data, NOW)
        decision = enqueue([draft], self.registry)
        added: Enqueued = await self.store.transact(decision.queries, decision.decide)
        return added.ids[0]

    async def push(self) -> None:
        decision = claim(NOW, 100)
        claimed = await self.store.transact(decision.queries, decision.decide)
        actions = [entry.parsed() for entry in claimed.entries]
        self.sent += len(actions)
        before = Before(version=self.version, rows=dict(self.rows))
        prepared = prepare(self.registry, actions)
        outcome = apply_batch(self.registry, before, Author("u", "c"), prepared, NOW)
        self.rows |= outcome.rows
        self.version = outcome.version
        decision = settle(claimed.entries, answer(*outcome.results), None, NOW)
        await self.store.transact(decision.queries, decision.decide)

    async def waiting(self) -> list[Action]:
        (found,) = await self.store.read(Scan(OUTBOX))
        return [entry.parsed() for entry in read_entries(found)]

    def data(self) -> dict[tuple[str, str], Any]:
        return {key: row.decoded() for key, row in self.rows.items() if row.data is not None}


STEPS = st.one_of(
    st.tuples(st.just("create"), st.sampled_from("ab"), st.integers(0, 9)),
    st.tuples(st.just("update"), st.sampled_from("ab"), st.integers(0, 9)),
    st.tuples(st.just("put"), st.sampled_from("ab"), st.integers(0, 9)),
    st.tuples(st.just("delete"), st.sampled_from("ab"), st.none()),
    st.tuples(st.just("push"), st.none(), st.none()),
)


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(STEPS, max_size=20))
async def test_final_state_is_the_same_with_and_without_coalescing(steps: list[Any]) -> None:
    worlds = [World(made(coalescing=coalescing)) for coalescing in (True, False)]
    for number, (kind, item, value) in enumerate(steps):
        for world in worlds:
            if kind == "push":
                await world.push()
                continue
            data = None if value is None else {"n": value, f"f{number % 3}": number}
            try:
                await world.add(kind, data, item)
            except Rejected:
                continue
    for world in worlds:
        await world.push()
        assert await world.waiting() == []
    assert worlds[0].data() == worlds[1].data()
    assert worlds[0].sent <= worlds[1].sent


async def test_changes_of_a_new_item_join_it() -> None:
    world = World(made(coalescing=True))
    first = await world.add("create", {"n": 1, "m": 1})
    assert await world.add("update", {"n": 2}) == first
    (action,) = await world.waiting()
    assert (action.type, action.data, action.seq) == ("create", {"n": 2, "m": 1}, 1)


async def test_new_item_that_is_deleted_leaves_nothing_to_send() -> None:
    world = World(made(coalescing=True))
    await world.add("create", {"n": 1})
    await world.add("delete")
    assert await world.waiting() == []


async def test_what_was_sent_once_is_never_joined() -> None:
    world = World(made(coalescing=True))
    await world.add("create", {"n": 1})
    decision = claim(NOW, 100)
    await world.store.transact(decision.queries, decision.decide)
    await world.add("update", {"n": 2})
    assert [action.type for action in await world.waiting()] == ["create", "update"]


async def test_edited_action_says_under_which_ids_it_was_sent_before_it_may_be_cancelled() -> None:
    world = World(made(coalescing=True))
    await world.add("create", {"n": 1})
    await world.store.transact(claim(NOW, 1).queries, claim(NOW, 1).decide)
    released = requeue(refused={"n1"})
    await world.store.transact(released.queries, released.decide)
    (found,) = await world.store.read(Scan(OUTBOX))
    changed = edit(read_entries(found)[0], {"n": 2}, "edited", world.registry)
    await world.store.transact(changed.queries, changed.decide)
    await world.add("delete")
    waiting = [(it.id, it.type, it.earlier_ids) for it in await world.waiting()]
    assert waiting == [("edited", "create", ("n1",)), ("n2", "delete", ())]


async def test_result_too_large_to_send_is_not_made() -> None:
    world = World(made(coalescing=True))
    half = "x" * (MAX_ACTION_BYTES * 2 // 3)
    await world.add("create", {"a": half})
    await world.add("update", {"b": half})
    assert [action.type for action in await world.waiting()] == ["create", "update"]


def upcasting() -> Registry:
    own = Registry()

    @own.action("note", version=3)
    def note(_current: Any, action: Action) -> Any:
        return action.data

    own.upcast("note", 1, 2)(lambda data: {**data, "title": data["name"]})
    own.upcast("note", 2, 3)(lambda data: {"title": data["title"].upper()})
    return own


def old_action(version: int, data: dict[str, Any]) -> Action:
    return Action(
        id="a",
        seq=1,
        type="note",
        version=version,
        collection="notes",
        item_id="i",
        data=data,
        created_at=0,
    )


def test_s20_old_actions_are_brought_up_step_by_step() -> None:
    own = upcasting()
    assert own.apply(None, old_action(1, {"name": "old"})) == {"title": "OLD"}
    assert own.apply(None, old_action(2, {"title": "newer"})) == {"title": "NEWER"}
    assert own.apply(None, old_action(3, {"title": "now"})) == {"title": "now"}


def test_s20_version_from_the_future_is_refused_by_name() -> None:
    with pytest.raises(Rejected) as refused:
        upcasting().apply(None, old_action(4, {}))
    assert refused.value.code == "unsupported_version"


async def test_action_is_made_at_its_type_s_version() -> None:
    world = World(upcasting())
    await world.add("note", {"title": "x"})
    assert [action.version for action in await world.waiting()] == [3]

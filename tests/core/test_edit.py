"""Editing an action that failed, is in conflict or was not sent yet."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.actions import Registry
from app.core.claim import claim, requeue
from app.core.edit import edit, retry
from app.core.enqueue import Draft, enqueue
from app.core.entry import Entry
from app.core.outbox import defer, fail_attempt
from app.core.schema import OUTBOX
from app.core.settle import settle
from app.errors import InvalidInput, NotFound, Rejected
from app.memory import MemoryStore
from app.ports import Batch, Put
from app.protocol import MAX_ACTION_BYTES, Action, Problem, Result
from tests.core.test_outbox import NOW, answer, entries, new_store, row, run

registry = Registry()
PROBLEM = Problem(code="x", message="No.")


@registry.action("name", checks_version=True)
def name(current: dict[str, Any] | None, action: Action) -> dict[str, Any]:
    text = (action.data or {}).get("name")
    if not text:
        raise Rejected("empty", "A name is needed.")
    if text in (current or {}).get("taken", []):
        raise Rejected("taken", "This name is taken.")
    return {**(current or {}), "name": text}


async def add(store: MemoryStore, action_id: str, text: str = "x", item: str = "a") -> Entry:
    draft = Draft(action_id, "name", "things", item, {"name": text}, NOW)
    await run(store, enqueue([draft], registry))
    return (await entries(store))[-1]


async def edited(store: MemoryStore, entry: Entry, text: str, new_id: str = "new") -> Entry:
    fresh: Entry = await run(store, edit(entry, {"name": text}, new_id, registry))
    assert fresh in await entries(store)
    return fresh


async def push(store: MemoryStore, verdict: str, **fields: Any) -> list[Action]:
    """Send what is due and give each action the same verdict; returns what was sent."""
    claimed = await run(store, claim(NOW, 10))
    results = [Result(id=e.id, verdict=verdict, **fields) for e in claimed.entries]
    await run(store, settle(claimed.entries, answer(*results), claimed.cursor, NOW))
    return [entry.parsed() for entry in claimed.entries]


async def test_unsent_action_keeps_its_id_and_its_place() -> None:
    store = new_store()
    first = await add(store, "one")
    await add(store, "two")
    fresh = await edited(store, first, "y")
    assert (fresh.id, fresh.seq, fresh.state) == ("one", 1, "pending")
    assert [action.data for action in await push(store, "applied")] == [
        {"name": "y"},
        {"name": "x"},
    ]


async def test_rejected_action_is_sent_under_a_new_id_and_frees_those_behind_it() -> None:
    store = new_store()
    await add(store, "one")
    await add(store, "two")
    await push(store, "rejected")
    fresh = await edited(store, (await entries(store))[0], "y")
    assert (fresh.id, fresh.seq, fresh.state, fresh.error) == ("new", 1, "pending", None)
    assert fresh.parsed().id == "new"
    assert [entry.state for entry in await entries(store)] == ["pending", "pending"]
    assert [action.id for action in await push(store, "applied")] == ["new", "two"]


async def test_conflicting_action_is_based_on_what_the_server_has_now() -> None:
    store = new_store()
    await run(store, settle([], answer(rows=(row(1, {"name": "base"}),)), None, NOW))
    await add(store, "one")
    await add(store, "two")
    await push(store, "conflict", row=row(5, {"name": "theirs"}))
    await edited(store, (await entries(store))[0], "both")
    assert [entry.parsed().base_version for entry in await entries(store)] == [5, 5]


async def test_action_in_flight_cannot_be_edited() -> None:
    store = new_store()
    entry = await add(store, "one")
    await run(store, claim(NOW, 1))
    with pytest.raises(InvalidInput, match="is being sent"):
        await edited(store, entry, "y")


async def test_action_whose_outcome_is_not_known_cannot_be_edited_until_it_is() -> None:
    """Under its id the server would refuse other data; under another there could be two effects."""
    store = new_store()
    entry = await add(store, "one")
    await run(store, claim(NOW, 1))
    await run(store, requeue())
    before = await entries(store)
    with pytest.raises(InvalidInput, match="not known whether"):
        await edited(store, entry, "y")
    assert await entries(store) == before
    await push(store, "rejected")
    assert (await edited(store, entry, "y")).id == "new"


async def test_doubt_outlives_later_refusals_and_retries_until_there_is_a_verdict() -> None:
    store = new_store()
    entry = await add(store, "one")
    await run(store, claim(NOW, 1))
    await run(store, defer(entry, NOW))
    await run(store, claim(NOW, 1))
    await run(store, fail_attempt(entry, PROBLEM, 0, 1))
    await run(store, retry(entry, "unused"))
    with pytest.raises(InvalidInput, match="not known whether"):
        await edited(store, entry, "y")


async def test_action_whose_every_attempt_was_refused_may_be_edited_under_a_new_id() -> None:
    store = new_store()
    entry = await add(store, "one")
    await run(store, claim(NOW, 1))
    await run(store, requeue(refused={"one"}))
    await run(store, claim(NOW, 1))
    await run(store, fail_attempt(entry, PROBLEM, 0, 1))
    fresh = await edited(store, entry, "y")
    assert (fresh.id, fresh.state, fresh.attempts) == ("new", "pending", 0)


async def test_action_that_the_server_told_to_wait_may_be_edited() -> None:
    store = new_store()
    entry = await add(store, "one")
    await push(store, "retry")
    assert (await edited(store, entry, "y")).id == "new"


async def test_edited_action_names_the_ids_under_which_it_had_no_verdict() -> None:
    store = new_store()
    entry = await add(store, "one")
    await push(store, "retry")
    second = await edited(store, entry, "y", "two")
    assert second.parsed().earlier_ids == ("one",)
    assert (await edited(store, second, "z", "unused")).parsed().earlier_ids == ("one",)
    await push(store, "retry")
    third = await edited(store, second, "y", "three")
    assert third.parsed().earlier_ids == ("one", "two")
    await push(store, "rejected", error=PROBLEM)
    (sent_anew,) = await entries(store)
    last = await edited(store, sent_anew, "w", "four")
    assert last.parsed().earlier_ids == ("one", "two")  # there is a verdict on "three"


async def test_edit_that_makes_the_action_too_large_with_its_earlier_ids_keeps_it() -> None:
    store = new_store()
    entry = await add(store, "one")
    largest = MAX_ACTION_BYTES - len(entry.action.encode()) + len("x")
    await push(store, "retry")
    with pytest.raises(InvalidInput, match="larger than"):
        await edited(store, entry, "y" * largest, "two")
    assert [kept.id for kept in await entries(store)] == ["one"]
    assert (await edited(store, entry, "y" * (largest - 30), "two")).id == "two"


async def test_action_sent_by_an_older_version_is_in_doubt() -> None:
    store = new_store()
    entry = await add(store, "one")
    await run(store, claim(NOW, 1))
    await run(store, requeue(refused={"one"}))
    (known,) = await entries(store)
    older = Put(OUTBOX, known.model_dump(mode="json", exclude={"in_doubt"}))
    await store.transact([], lambda: Batch([older]))
    with pytest.raises(InvalidInput, match="not known whether"):
        await edited(store, entry, "y")


async def test_data_that_would_be_refused_leaves_the_entry_untouched() -> None:
    store = new_store()
    await run(store, settle([], answer(rows=(row(1, {"taken": ["t"]}),)), None, NOW))
    entry = await add(store, "one")
    before = await entries(store)
    for text in ("", "t"):
        with pytest.raises(Rejected):
            await edited(store, entry, text)
    for text in ("x" * MAX_ACTION_BYTES, "\ud800"):
        with pytest.raises(InvalidInput):
            await edited(store, entry, text)
    assert await entries(store) == before


async def test_blocked_action_is_edited_where_it_stands() -> None:
    store = new_store()
    first = await add(store, "one")
    second = await add(store, "two")
    await run(store, fail_attempt(first, PROBLEM, 0, 1))
    fresh = await edited(store, second, "y")
    assert (fresh.id, fresh.state) == ("two", "blocked")


async def test_damaged_action_cannot_be_edited() -> None:
    store = new_store()
    entry = await add(store, "one")
    await store.transact([], lambda: Batch([entry.put(action="{")]))
    with pytest.raises(InvalidInput, match="was damaged"):
        await edited(store, entry, "y")


async def test_action_that_is_gone_cannot_be_edited() -> None:
    store = new_store()
    entry = await add(store, "one")
    await push(store, "applied")
    with pytest.raises(NotFound):
        await edited(store, entry, "y")

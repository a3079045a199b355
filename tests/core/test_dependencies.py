"""Actions that depend on others: none takes effect before those, and none waits for ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.actions import Registry
from app.core.claim import Claim, claim, requeue
from app.core.decision import Decision
from app.core.edit import retry
from app.core.enqueue import Draft, Enqueued, enqueue
from app.core.entry import HOLDING, LONGEST_WAIT, Entry
from app.core.outbox import (
    TakenOut,
    clear_page,
    complete,
    defer,
    fail_attempt,
    remove,
)
from app.core.schema import OUTBOX
from app.core.settle import settle
from app.errors import InvalidInput
from app.memory import MemoryStore
from app.ports import Batch, Get, Put
from app.protocol import MAX_DEPENDENCIES, Action, Problem, Result
from tests.core.test_coalescing import made
from tests.core.test_outbox import NOW, answer, entries, new_store, run, states
from tests.examples import examples

free = Registry()
PROBLEM = Problem(code="x", message="No.")


@free.action("do")
def do(current: dict[str, Any] | None, action: Action) -> dict[str, Any]:
    return {**(current or {}), "did": action.id}


async def add(
    store: MemoryStore, name: str, *needs: str, item: str = "", registry: Registry = free
) -> Entry:
    draft = Draft(name, "do", "things", item or name, None, NOW, needs)
    await run(store, enqueue([draft], registry))
    return await named(store, name)


async def named(store: MemoryStore, name: str) -> Entry:
    (found,) = [entry for entry in await entries(store) if entry.id == name]
    return found


async def claimed(store: MemoryStore, now: int = NOW) -> list[str]:
    """Claim what is due and return its ids."""
    found: Claim = await run(store, claim(now, 100))
    return [entry.id for entry in found.entries]


async def push(store: MemoryStore, now: int = NOW, **verdicts: Any) -> list[str]:
    """Send what is due; returns its ids. Whatever no verdict is given for is applied."""
    found: Claim = await run(store, claim(now, 100))
    results = [Result(id=e.id, verdict=verdicts.get(e.id, "applied")) for e in found.entries]
    (cursor,) = await store.read(Get("metadata", "cursor"))
    known = cursor["value"] if cursor else None
    await run(store, settle(found.entries, answer(*results), known, now))
    return [entry.id for entry in found.entries]


async def test_dependent_is_sent_once_what_it_depends_on_was_applied() -> None:
    store = new_store()
    await add(store, "a")
    await add(store, "b", "a")
    assert (await named(store, "b")).parsed().depends_on == (1,)
    assert await states(store) == {"a": "pending", "b": "blocked"}
    assert await push(store) == ["a"]
    assert await push(store) == ["b"]
    assert await entries(store) == []


@pytest.mark.parametrize("verdict", ["rejected", "conflict", "retry"])
async def test_what_depends_on_what_did_not_succeed_is_held_and_all_behind_it(verdict: str) -> None:
    store = new_store()
    await add(store, "a")
    await add(store, "b", "a")
    await add(store, "behind", item="b")
    await add(store, "c", "behind")
    await add(store, "other")
    assert await push(store, a=verdict) == ["a", "other"]
    assert await push(store) == []
    held = await states(store)
    assert [held[name] for name in ("b", "behind", "c")] == ["blocked"] * 3


async def test_retried_dependency_frees_its_dependents_when_it_is_applied_under_its_new_id() -> (
    None
):
    store = new_store()
    await add(store, "a")
    await add(store, "b", "a")
    await push(store, a="rejected")
    await run(store, retry(await named(store, "a"), "a2"))
    await add(store, "c", "a")
    assert await states(store) == {"a2": "pending", "b": "blocked", "c": "blocked"}
    assert await push(store) == ["a2"]
    assert await push(store) == ["b", "c"]


async def test_dependency_that_is_gone_needs_nothing() -> None:
    store = new_store()
    await add(store, "a")
    await push(store)
    entry = await add(store, "b", "a", "never-heard-of")
    assert (entry.state, entry.parsed().depends_on) == ("pending", ())


async def test_discarded_dependency_makes_its_dependents_fail_and_retry_sends_them_without() -> (
    None
):
    store = new_store()
    await add(store, "a")
    await add(store, "x")
    await add(store, "b", "a", "x")
    await add(store, "behind", item="b")
    await add(store, "c", "b")
    taken: TakenOut = await run(store, remove(await named(store, "a")))
    assert {entry.id for entry in taken.others} == {"b", "behind"}
    assert await states(store) == {
        "x": "pending",
        "b": "failed",
        "behind": "blocked",
        "c": "blocked",
    }
    failed = await named(store, "b")
    assert failed.error is not None
    assert "was discarded" in failed.error.message
    again = await run(store, retry(failed, "b2"))
    assert (again.id, again.state, again.parsed().depends_on) == ("b", "blocked", (2,))
    assert await push(store) == ["x"]
    assert await push(store) == ["b", "behind"]
    assert await push(store) == ["c"]


async def test_dependency_applied_while_its_dependent_is_failed_is_not_waited_for_any_more() -> (
    None
):
    store = new_store()
    for name in ("a", "x"):
        await add(store, name)
    await add(store, "b", "a", "x")
    await run(store, remove(await named(store, "a")))
    await push(store)
    await run(store, retry(await named(store, "b"), "b2"))
    assert await push(store) == ["b"]


async def test_dependent_behind_a_failed_action_of_its_item_waits_for_both() -> None:
    store = new_store()
    await add(store, "first", item="i")
    await push(store, first="rejected")
    await add(store, "a")
    await add(store, "b", "a", item="i")
    assert await push(store) == ["a"]
    assert await states(store) == {"first": "failed", "b": "blocked"}
    await run(store, remove(await named(store, "first")))
    assert await push(store) == ["b"]


async def test_freed_dependent_is_not_due_before_an_earlier_action_of_its_item() -> None:
    store = new_store()
    await add(store, "early", item="i")
    await run(store, claim(NOW, 1))
    await run(store, defer(await named(store, "early"), NOW + 5_000))
    await add(store, "a")
    await add(store, "b", "a", item="i")
    assert await push(store) == ["a"]
    assert await push(store) == []
    assert await push(store, NOW + 5_000) == ["early", "b"]


async def test_dependent_on_its_own_item_fails_visibly_when_its_dependency_is_discarded() -> None:
    store = new_store()
    await add(store, "a", item="i")
    await add(store, "b", "a", item="i")
    await run(store, remove(await named(store, "a")))
    assert await states(store) == {"b": "failed"}


async def test_action_carried_out_by_a_handler_frees_its_dependents() -> None:
    store = new_store()
    await add(store, "a")
    await add(store, "b", "a")
    taken: TakenOut = await run(store, complete(await named(store, "a")))
    assert [entry.id for entry in taken.others] == ["b"]
    assert await push(store) == ["b"]


async def test_handler_action_that_failed_holds_its_dependents() -> None:
    store = new_store()
    await add(store, "a")
    await add(store, "b", "a")
    await run(store, fail_attempt(await named(store, "a"), PROBLEM, 0, 1))
    assert await states(store) == {"a": "failed", "b": "blocked"}
    await run(store, requeue())
    assert await push(store) == []


async def test_clearing_leaves_nothing_that_waits_for_what_is_gone() -> None:
    store = new_store()
    await add(store, "a")
    await add(store, "b", "a")
    assert [entry.id for entry in await run(store, clear_page(1))] == ["b"]
    assert await states(store) == {"a": "pending"}


async def test_many_dependents_of_one_action_are_freed_at_once() -> None:
    store = new_store()
    drafts = [Draft("a", "do", "things", "a", None, NOW)]
    drafts += [Draft(f"b{n}", "do", "things", f"b{n}", None, NOW, ("a",)) for n in range(150)]
    added: Enqueued = await run(store, enqueue(drafts, free))
    assert len(added.ids) == 151
    assert await push(store) == ["a"]
    assert len(await push(store)) == 100


async def test_too_many_dependencies_are_refused() -> None:
    store = new_store()
    names = [f"a{n}" for n in range(MAX_DEPENDENCIES + 1)]
    await run(store, enqueue([Draft(n, "do", "things", n, None, NOW) for n in names], free))
    with pytest.raises(InvalidInput):
        await add(store, "b", *names)
    assert len(await entries(store)) == len(names)


def crud(name: str, kind: str, item: str, *needs: str, **data: int) -> Draft:
    return Draft(name, kind, "things", item, data or None, NOW, needs)


async def test_action_that_others_depend_on_is_neither_cancelled_nor_joined() -> None:
    store, registry = new_store(), made(coalescing=True)
    await run(store, enqueue([crud("a", "create", "i", n=1)], registry))
    await run(store, enqueue([crud("b", "create", "j", "a", n=1)], registry))
    await run(store, enqueue([crud("c", "delete", "i")], registry))
    assert [entry.type for entry in await entries(store)] == ["create", "create", "delete"]


async def test_action_named_in_the_same_call_is_not_cancelled_either() -> None:
    store, registry = new_store(), made(coalescing=True)
    drafts = [
        crud("a", "create", "i", n=1),
        crud("b", "update", "i", n=2),
        crud("c", "delete", "i"),
        crud("d", "create", "j", "b", n=1),
    ]
    await run(store, enqueue(drafts, registry))
    assert [entry.id for entry in await entries(store)] == ["a", "b", "c", "d"]
    assert (await named(store, "d")).depends_on == (2,)


async def test_action_that_depends_on_something_between_is_not_moved_before_it() -> None:
    store, registry = new_store(), made(coalescing=True)
    await run(store, enqueue([crud("a", "create", "i", n=1)], registry))
    await run(store, enqueue([crud("b", "create", "j", n=1)], registry))
    await run(store, enqueue([crud("c", "update", "i", "b", n=2)], registry))
    assert [entry.id for entry in await entries(store)] == ["a", "b", "c"]
    assert await push(store) == ["a", "b"]
    assert await push(store) == ["c"]


class Line:
    """A device whose actions get random verdicts, and what is known of them, by `seq`."""

    def __init__(self) -> None:
        self.store = new_store()
        self.now = NOW
        self.made = 0
        self.needs: dict[int, set[int]] = {}
        self.items: dict[int, str] = {}
        self.receipts: dict[str, str] = {}
        self.applied: set[int] = set()
        self.dropped: set[int] = set()
        self.cursor: str | None = None

    async def add(self, item: str, picks: Sequence[int]) -> None:
        waiting = await entries(self.store)
        chosen = {waiting[pick % len(waiting)].seq: waiting[pick % len(waiting)] for pick in picks}
        self.made += 1
        self.needs[self.made], self.items[self.made] = set(chosen), item
        names = (entry.id for entry in chosen.values())
        await add(self.store, f"n{self.made}", *names, item=item)

    async def push(self, verdicts: Sequence[str], *, lost: bool = False) -> None:
        """Send what is due; the server judges each action once, and its answer may be lost."""
        sent: Claim = await run(self.store, claim(self.now, 4))
        results, held = [], set[str]()
        for entry, verdict in zip(sent.entries, [*verdicts, *["applied"] * 4], strict=False):
            assert not self.needs[entry.seq] - self.applied, "sent before what it depends on"
            verdict = "retry" if entry.item_id in held else verdict
            verdict = self.receipts.get(entry.id, verdict)
            if verdict == "applied" and entry.id not in self.receipts:
                assert entry.seq not in self.applied, "took effect twice"
                self.applied.add(entry.seq)
            if verdict != "retry":
                self.receipts[entry.id] = verdict
            if verdict != "applied":
                held.add(entry.item_id)
            results.append(Result(id=entry.id, verdict=verdict))
        if lost:
            await run(self.store, requeue())
            return
        await run(self.store, settle(sent.entries, answer(*results), self.cursor, self.now))
        self.cursor = "c"

    async def act(self, kind: str, pick: int) -> None:
        waiting = await entries(self.store)
        if not waiting:
            return
        entry = waiting[pick % len(waiting)]
        if kind == "discard":
            self.dropped.add(entry.seq)
            await run(self.store, remove(entry))
            for needs in self.needs.values():
                needs.discard(entry.seq)  # its dependents are failed now, or it was applied
            direct = [e for e in await entries(self.store) if entry.seq in e.depends_on]
            assert direct == []
        elif kind == "retry" and entry.state in HOLDING:
            await run(self.store, retry(entry, f"r{self.now}"))
        elif kind == "fail" and entry.state == "pending":
            await run(self.store, fail_attempt(entry, PROBLEM, self.now + 3_000, 1 + pick % 2))
        elif kind == "handle" and entry.state == "pending":
            first = next(e for e in waiting if e.item_id == entry.item_id)
            if first.seq == entry.seq:
                assert not self.needs[entry.seq] - self.applied, "handled too early"
                self.applied.add(entry.seq)
                await run(self.store, complete(entry))

    async def check(self) -> None:
        """What waits, waits for what is there, and an entry is blocked exactly while it does."""
        found = await entries(self.store)
        there = {entry.seq for entry in found}
        ahead: dict[str, set[int]] = {}
        for entry in found:
            line = ahead.setdefault(entry.item_id, set())
            assert set(entry.depends_on) == self.needs[entry.seq] & there
            assert set(entry.waits_for) >= set(entry.depends_on)
            if entry.state not in HOLDING:
                assert set(entry.waits_for) == line | set(entry.depends_on)
                assert (entry.state == "blocked") == bool(entry.waits_for)
            line |= set(entry.depends_on)
            if entry.state in HOLDING:
                line.add(entry.seq)


PICKS = st.lists(st.integers(0, 7), max_size=3)
VERDICTS = st.lists(st.sampled_from(["applied", "applied", "rejected", "conflict", "retry"]))
STEPS = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("abc"), PICKS),
    st.tuples(st.just("add"), st.sampled_from("abc"), PICKS),
    st.tuples(st.just("push"), VERDICTS, st.booleans()),
    st.tuples(
        st.sampled_from(["discard", "retry", "retry", "fail", "handle"]),
        st.integers(0, 7),
        st.none(),
    ),
)


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(STEPS, max_size=40))
async def test_no_action_takes_effect_before_one_it_depends_on_and_all_drain_or_fail(
    steps: list[Any],
) -> None:
    line = Line()
    for kind, what, more in steps:
        line.now += 2_000
        if kind == "add":
            waiting = await entries(line.store)
            await line.add(what, more if waiting else [])
        elif kind == "push":
            await line.push(what, lost=more)
        else:
            await line.act(kind, what)
        await line.check()
    for _ in range(line.made + 1):
        line.now += 10_000
        await line.push([])
        await line.check()
    left = {entry.state for entry in await entries(line.store)}
    assert left <= {*HOLDING, "blocked"}
    assert left != {"blocked"}, "something waits for ever, and nothing says why"
    while held := [entry for entry in await entries(line.store) if entry.state in HOLDING]:
        for entry in held:
            await run(line.store, retry(await named(line.store, entry.id), f"last{entry.seq}"))
        for _ in range(line.made + 1):
            line.now += 10_000
            await line.push([])
    assert await entries(line.store) == []
    assert line.applied | line.dropped == set(range(1, line.made + 1))


async def test_entries_of_an_older_version_are_read_and_freed() -> None:
    store = new_store()
    first = await add(store, "a", item="i")
    await add(store, "b", item="i")
    await run(store, fail_attempt(first, PROBLEM, 0, 1))
    known = {"depends_on", "waits_for", "depended_on", "earlier_ids", "in_doubt"}
    older = [entry.model_dump(mode="json", exclude=known) for entry in await entries(store)]
    await store.transact([], lambda: Batch([Put(OUTBOX, value) for value in older]))
    assert (await named(store, "b")).waits_for == ()
    await run(store, retry(await named(store, "a"), "a2"))
    assert await push(store) == ["a", "b"]


async def test_clock_set_back_puts_a_whole_chain_off_for_no_more_than_an_hour() -> None:
    store = new_store()
    await add(store, "one", item="a")
    await add(store, "two", "one", item="a")
    claimed: Claim = await run(store, claim(NOW, 10))
    await run(store, defer(claimed.entries[0], NOW + 60_000))
    earlier = NOW - 10 * LONGEST_WAIT
    await run(store, claim(earlier, 10))
    claimed = await run(store, claim(earlier + LONGEST_WAIT, 10))
    assert [entry.id for entry in claimed.entries] == ["one"]
    applied = answer(Result(id="one", verdict="applied"))
    await run(store, settle(claimed.entries, applied, None, earlier + LONGEST_WAIT))
    claimed = await run(store, claim(earlier + LONGEST_WAIT, 10))
    assert [entry.id for entry in claimed.entries] == ["two"]


@pytest.mark.parametrize("ends", ["applied", "carried_out", "discarded"])
async def test_dependent_that_was_damaged_is_found_when_its_turn_comes_and_holds_its_item(
    ends: str,
) -> None:
    store = new_store()
    first = await add(store, "first")
    await add(store, "torn", "first", item="a")
    await add(store, "behind", item="a")
    (torn,) = await store.read(Get(OUTBOX, 2))
    await run(store, Decision([], lambda: Batch([Put(OUTBOX, {**torn, "attempts": "torn"})])))
    if ends == "applied":
        claimed = await run(store, claim(NOW, 10))
        applied = Result(id="first", verdict="applied")
        await run(store, settle(claimed.entries, answer(applied), None, NOW))
    else:
        await run(store, complete(first) if ends == "carried_out" else remove(first))
    assert await states(store) == {"torn": "failed", "behind": "blocked"}
    (kept,) = await store.read(Get(OUTBOX, 2))
    assert (kept["state"], kept["damaged"]["attempts"]) == ("failed", "torn")

"""The outbox's decisions, and the law that whatever happens keeps each item's order."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.actions import Registry
from app.core.claim import LOCAL_LEASE, MAX_BYTES, claim, claim_local, claim_none, requeue
from app.core.decision import Decision
from app.core.edit import retry
from app.core.enqueue import Draft, enqueue
from app.core.entry import LONGEST_WAIT, Entry, read_entries
from app.core.outbox import fail_attempt, remove
from app.core.schema import METADATA, OUTBOX, UPGRADES
from app.core.settle import settle
from app.memory import MemoryStore
from app.ports import Batch, Get, Scan
from app.protocol import Action, Problem, Result, Row, SyncResponse
from tests.examples import examples

NOW = 1_000_000_000
registry = Registry()


@registry.action("append")
def append(current: dict[str, Any] | None, action: Action) -> dict[str, Any]:
    return {"ids": [*(current or {"ids": []})["ids"], action.id]}


async def run(store: MemoryStore, decision: Decision) -> Any:
    return await store.transact(decision.queries, decision.decide)


async def add(store: MemoryStore, *names: str, item: str = "a") -> list[Entry]:
    drafts = [Draft(name, "append", "things", item, None, NOW) for name in names]
    await run(store, enqueue(drafts, registry))
    waiting = {entry.id: entry for entry in await entries(store)}
    return [waiting[name] for name in names]


async def entries(store: MemoryStore) -> list[Entry]:
    (found,) = await store.read(Scan(OUTBOX))
    return read_entries(found)


async def states(store: MemoryStore) -> dict[str, str]:
    return {entry.id: entry.state for entry in await entries(store)}


def new_store() -> MemoryStore:
    return MemoryStore(UPGRADES)


def answer(*results: Result, rows: tuple[Row, ...] = (), cursor: str = "c") -> SyncResponse:
    return SyncResponse(
        results=list(results), rows=list(rows), cursor=cursor, has_more=False, server_time=0
    )


def row(version: int, data: dict[str, Any] | None = None, item: str = "a") -> Row:
    return Row(
        collection="things",
        id=item,
        version=version,
        data=data,
        deleted=data is None,
        updated_at=version,
        updated_by="local",
    )


async def test_many_are_enqueued_in_order_and_at_once() -> None:
    store = new_store()
    added = await add(store, "one", "two", "three")
    assert [entry.seq for entry in added] == [1, 2, 3]
    assert [entry.id for entry in await entries(store)] == ["one", "two", "three"]


async def test_claim_says_what_is_settled_and_where_the_pull_stands() -> None:
    store = new_store()
    assert (await run(store, claim(NOW, 10))).settled_through == 0
    added = await add(store, "one", "two")
    await run(store, remove(added[0]))
    claimed = await run(store, claim(NOW, 10))
    assert (claimed.settled_through, claimed.cursor) == (1, None)
    assert [entry.id for entry in claimed.entries] == ["two"]
    await run(store, settle(claimed.entries, answer(Result(id="two", verdict="applied")), None, 0))
    after = await run(store, claim(NOW, 10))
    assert (after.settled_through, after.cursor) == (2, "c")


async def test_entry_in_flight_is_not_claimed_again_until_requeued() -> None:
    store = new_store()
    await add(store, "one")
    await run(store, claim(NOW, 10))
    assert (await run(store, claim(NOW, 10))).entries == ()
    await run(store, requeue())
    assert [entry.id for entry in (await run(store, claim(NOW, 10))).entries] == ["one"]


async def test_rejected_entry_keeps_the_server_s_field_errors_and_blocks_its_item() -> None:
    store = new_store()
    await add(store, "one", "two")
    await add(store, "other", item="b")
    claimed = await run(store, claim(NOW, 10))
    problem = Problem(code="invalid", message="No.", fields={"text": "too long"})
    results = [
        Result(id="one", verdict="rejected", error=problem),
        Result(id="two", verdict="retry"),
        Result(id="other", verdict="applied"),
    ]
    settled = await run(store, settle(claimed.entries, answer(*results), None, NOW))
    assert (settled.synced, settled.failed) == (1, 1)
    assert await states(store) == {"one": "failed", "two": "blocked"}
    assert (await entries(store))[0].error == problem


async def test_what_joins_a_blocked_item_is_blocked_and_freed_with_it() -> None:
    store = new_store()
    (first,) = await add(store, "one")
    await run(store, fail_attempt(first, Problem(code="x", message="x"), 0, max_attempts=1))
    await add(store, "two")
    assert await states(store) == {"one": "failed", "two": "blocked"}
    await run(store, retry(first, "new"))
    assert await states(store) == {"one": "pending", "two": "pending"}


async def test_waiting_entry_holds_back_the_later_ones_of_its_item() -> None:
    store = new_store()
    first, _ = await add(store, "one", "two")
    await run(store, fail_attempt(first, Problem(code="x", message="x"), NOW + 5000, 3))
    await add(store, "three")
    await add(store, "other", item="b")
    assert [entry.id for entry in (await run(store, claim(NOW, 10))).entries] == ["other"]
    later = await run(store, claim(NOW + 5000, 10))
    assert [entry.id for entry in later.entries] == ["one", "two", "three"]


async def test_what_joins_an_item_in_flight_is_due_as_soon_as_that_is_settled() -> None:
    store = new_store()
    await add(store, "one")
    claimed = await run(store, claim(NOW, 10))
    await add(store, "two")
    await run(
        store, settle(claimed.entries, answer(Result(id="one", verdict="applied")), None, NOW)
    )
    assert [entry.id for entry in (await run(store, claim(NOW, 10))).entries] == ["two"]


async def test_entry_without_a_verdict_in_the_answer_is_pending_again() -> None:
    store = new_store()
    await add(store, "one")
    claimed = await run(store, claim(NOW, 10))
    await run(store, settle(claimed.entries, answer(), None, NOW))
    assert await states(store) == {"one": "pending"}


async def test_conflict_keeps_base_mine_and_theirs() -> None:
    store = new_store()
    await run(store, settle([], answer(rows=(row(1, {"ids": ["base"]}),)), None, NOW))
    await add(store, "mine")
    claimed = await run(store, claim(NOW, 10))
    theirs = Result(id="mine", verdict="conflict", row=row(2, {"ids": ["theirs"]}))
    settled = await run(store, settle(claimed.entries, answer(theirs), "c", NOW))
    (entry,) = await entries(store)
    assert (settled.conflicts, entry.state) == (1, "conflict")
    assert entry.base == {"ids": ["base"]}
    assert entry.theirs == {"ids": ["theirs"]}
    assert entry.parsed().id == "mine"


async def test_row_never_goes_back_to_an_older_version() -> None:
    store = new_store()
    await run(store, settle([], answer(rows=(row(5, {"ids": ["new"]}),)), None, NOW))
    await run(store, settle([], answer(rows=(row(4, {"ids": ["old"]}),), cursor="d"), "c", NOW))
    (stored, cursor) = await store.read(Get("rows", ["things", "a"]), Get(METADATA, "cursor"))
    assert (stored["version"], cursor["value"]) == (5, "d")


async def test_page_from_a_cursor_that_moved_on_is_ignored_but_its_verdicts_count() -> None:
    store = new_store()
    await add(store, "one")
    claimed = await run(store, claim(NOW, 10))
    await run(store, settle([], answer(cursor="elsewhere"), None, NOW))
    stale = answer(
        Result(id="one", verdict="applied", row=row(1, {"ids": []})), rows=(row(9, {}, "b"),)
    )
    await run(store, settle(claimed.entries, stale, None, NOW))
    own, foreign, cursor = await store.read(
        Get("rows", ["things", "a"]), Get("rows", ["things", "b"]), Get(METADATA, "cursor")
    )
    assert (own["version"], foreign, cursor["value"]) == (1, None, "elsewhere")
    assert await states(store) == {}


VERDICTS = st.sampled_from(["applied", "duplicate", "rejected", "conflict", "retry", "lost"])
STEPS = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("ab")),
    st.tuples(st.just("push"), st.lists(VERDICTS, min_size=1, max_size=6)),
    st.tuples(st.just("retry"), st.integers(0, 5)),
    st.tuples(st.just("discard"), st.integers(0, 5)),
)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(STEPS, max_size=25))
async def test_actions_of_an_item_take_effect_in_order_whatever_happens(steps: list[Any]) -> None:
    """Invariants 2 and 3: nothing leaves without a verdict, and no later action overtakes."""
    store, now, made, applied, dropped = new_store(), NOW, 0, list[int](), set[int]()
    items: dict[int, str] = {}
    for kind, detail in steps:
        now += 2_000
        waiting = await entries(store)
        if kind == "add":
            made += 1
            items[made] = detail
            await add(store, f"n{made}", item=detail)
        elif kind == "push":
            claimed = await run(store, claim(now, 4))
            results = []
            held: set[str] = set()
            for entry, verdict in zip(claimed.entries, detail * 4, strict=False):
                if entry.item_id in held and verdict != "lost":
                    verdict = "retry"
                if verdict in ("applied", "duplicate"):
                    applied.append(entry.seq)
                elif verdict != "lost":
                    held.add(entry.item_id)
                else:
                    held.add(entry.item_id)
                    continue
                results.append(Result(id=entry.id, verdict=verdict))
            await run(store, settle(claimed.entries, answer(*results), None, now))
        elif waiting:
            chosen = waiting[detail % len(waiting)]
            if kind == "discard":
                dropped.add(chosen.seq)
                await run(store, remove(chosen))
            elif chosen.state in ("failed", "conflict"):
                await run(store, retry(chosen, f"r{now}"))
    left = await entries(store)
    for item in "ab":
        seqs = [seq for seq in applied if items[seq] == item]
        assert seqs == sorted(seqs)
    assert sorted([*applied, *dropped, *(entry.seq for entry in left)]) == list(range(1, made + 1))
    for item in "ab":
        of_item = [entry for entry in left if entry.item_id == item]
        is_held = False
        for entry in of_item:
            stands = entry.state in ("failed", "conflict")
            assert (entry.state == "blocked") == (is_held and not stands)
            is_held = is_held or stands


async def test_clock_set_back_puts_nothing_off_for_more_than_an_hour() -> None:
    store = new_store()
    first, second = await add(store, "one", "two")
    await run(store, claim(NOW, 1))
    problem = Problem(code="server_failed", message="No.")
    await run(store, fail_attempt(first, problem, NOW + 60_000, 3))
    earlier = NOW - 10 * LONGEST_WAIT
    await run(store, claim(earlier, 100))
    assert {entry.next_attempt_at for entry in await entries(store)} <= {earlier + LONGEST_WAIT}
    assert (await run(store, claim(earlier + LONGEST_WAIT, 100))).entries[0].id == first.id
    assert await states(store) == {first.id: "in_flight", second.id: "in_flight"}


async def test_claim_of_a_clock_that_was_set_back_since_is_given_up() -> None:
    store = new_store()
    await add(store, "one")
    await run(store, claim(NOW, 10))
    assert await run(store, requeue(NOW)) == []
    assert [entry.id for entry in await run(store, requeue(NOW - LONGEST_WAIT))] == ["one"]


async def test_claim_of_another_is_let_go_of_once_it_is_over_and_one_s_own_at_once() -> None:
    store = new_store()
    (call,) = await add(store, "call", item="a")
    await add(store, "mine", item="b")
    assert await run(store, claim_local(call, NOW))
    await run(store, claim(NOW, 10))
    assert await run(store, requeue(NOW, own={"another"})) == []
    assert [entry.id for entry in await run(store, requeue(NOW, own={"mine"}))] == ["mine"]
    await run(store, claim(NOW, 10))
    assert [entry.id for entry in await run(store, requeue(NOW, own=None))] == ["mine"]
    assert await run(store, requeue(NOW + LOCAL_LEASE - 1, own=None)) == []
    assert [entry.id for entry in await run(store, requeue(NOW + LOCAL_LEASE))] == ["call"]


async def test_claim_is_bounded_in_bytes_but_takes_one_at_least() -> None:
    store = new_store()
    for number in range(4):
        await add(store, f"n{number}", item=f"i{number}")
    found = await entries(store)
    fat = [entry.rewritten(data={"text": "ä" * (MAX_BYTES // 4)}) for entry in found[:2]]
    huge = found[2].rewritten(data={"text": "x" * MAX_BYTES})
    puts = [entry.put() for entry in (*fat, huge)]
    await store.transact([], lambda: Batch(puts))
    taken: list[tuple[list[str], bool]] = []
    while (claimed := await run(store, claim(NOW, 10))).entries:
        taken.append(([entry.id for entry in claimed.entries], claimed.full))
    assert taken == [(["n0"], True), (["n1"], True), (["n2"], True), (["n3"], False)]


async def test_pull_alone_claims_nothing_and_says_what_is_settled() -> None:
    store = new_store()
    await add(store, "one", "two")
    first, _ = await entries(store)
    await run(store, remove(first))
    asked = await run(store, claim_none())
    assert (asked.entries, asked.local, asked.settled_through, asked.cursor) == ((), (), 1, None)
    assert await states(store) == {"two": "pending"}

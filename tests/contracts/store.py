"""What every `Store` must do. Each case gets a function that opens the same store, with all upgrade
steps or with those that it names, and, but for those of upgrading, an empty store that is open.

Run by tests/contracts/test_memory.py on CPython and by tests/browser/test_store_contract.py for
IndexedDB inside the page, so it imports nothing but the app.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from app.core.schema import (
    BY_DUE,
    BY_EARLIER_ID,
    BY_ID,
    BY_ITEM,
    BY_WAITS,
    METADATA,
    OUTBOX,
    ROWS,
    UPGRADES,
)
from app.errors import StorageError
from app.ports import Batch, Count, Delete, Get, Put, Scan, Store, Upgrade

Open = Callable[[Sequence[Upgrade]], Awaitable[Store]]
Reopen = Callable[[], Awaitable[Store]]
Case = Callable[[Store, Reopen], Awaitable[None]]


def entry(seq: int, **values: Any) -> dict[str, Any]:
    """Return a value for the outbox store."""
    base = {"seq": seq, "id": f"id-{seq}", "state": "pending", "next_attempt_at": 0}
    return {**base, "collection": "messages", "item_id": f"item-{seq}", **values}


async def put(store: Store, *values: dict[str, Any], name: str = OUTBOX) -> None:
    """Write values in one transaction."""
    await store.transact([], lambda: Batch([Put(name, value) for value in values]))


async def raises(error: type[BaseException], work: Awaitable[Any]) -> BaseException:
    """Await `work` and return the error that it must raise."""
    try:
        await work
    except error as raised:
        return raised
    raise AssertionError(f"{error.__name__} was not raised")


async def seqs(store: Store, query: Scan) -> list[int]:
    """Return the sequence numbers that a query on the outbox finds."""
    (found,) = await store.read(query)
    return [value["seq"] for value in found]


async def what_was_put_is_read_back_unchanged(store: Store, _reopen: Reopen) -> None:
    value = entry(1, text="é 🙂 \u0000 \u202e <b>", many=[1, 2.5, None, True, {"a": []}])
    await put(store, value)
    assert await store.read(Get(OUTBOX, 1)) == [value]


async def lone_surrogates_survive(store: Store, _reopen: Reopen) -> None:
    await put(store, entry(1, text="\ud83d|\ude00"))
    (value,) = await store.read(Get(OUTBOX, 1))
    assert value["text"] == "\ud83d|\ude00"


async def absent_value_is_none(store: Store, _reopen: Reopen) -> None:
    assert await store.read(Get(OUTBOX, 1), Get(ROWS, ["messages", "x"])) == [None, None]


async def all_queries_are_answered_in_their_order(store: Store, _reopen: Reopen) -> None:
    await put(store, entry(1), entry(2))
    one, all_of_them, count = await store.read(Get(OUTBOX, 2), Scan(OUTBOX), Count(OUTBOX))
    assert (one["seq"], len(all_of_them), count) == (2, 2, 2)


async def scan_goes_in_key_order_within_inclusive_bounds(store: Store, _reopen: Reopen) -> None:
    await put(store, *[entry(seq) for seq in (10, 9, 2, 1, 3)])
    assert await seqs(store, Scan(OUTBOX)) == [1, 2, 3, 9, 10]
    assert await seqs(store, Scan(OUTBOX, lower=2, upper=9)) == [2, 3, 9]
    assert await seqs(store, Scan(OUTBOX, lower=3)) == [3, 9, 10]
    assert await seqs(store, Scan(OUTBOX, upper=2)) == [1, 2]


async def limit_and_reverse_take_from_the_right_end(store: Store, _reopen: Reopen) -> None:
    await put(store, *[entry(seq) for seq in range(1, 6)])
    assert await seqs(store, Scan(OUTBOX, limit=2)) == [1, 2]
    assert await seqs(store, Scan(OUTBOX, limit=2, reverse=True)) == [5, 4]
    assert await seqs(store, Scan(OUTBOX, upper=3, reverse=True)) == [3, 2, 1]


async def index_orders_by_its_key_then_by_the_store_s(store: Store, _reopen: Reopen) -> None:
    await put(
        store,
        entry(3, next_attempt_at=5),
        entry(2, next_attempt_at=5),
        entry(1, next_attempt_at=9),
        entry(4, state="failed"),
    )
    due = Scan(OUTBOX, BY_DUE, lower=["pending", 0], upper=["pending", 9])
    assert await seqs(store, due) == [2, 3, 1]
    assert await store.read(Count(OUTBOX, BY_DUE, ["failed", 0], ["failed", 99])) == [1]


async def list_bound_covers_all_keys_with_a_prefix(store: Store, _reopen: Reopen) -> None:
    await put(store, entry(1), entry(2, collection="notes"), entry(3, item_id="ü"))
    assert await seqs(store, Scan(OUTBOX, BY_ITEM, ["messages"], ["messages", []])) == [1, 3]


async def unique_index_refuses_a_second_value_and_all_of_its_batch(
    store: Store, _reopen: Reopen
) -> None:
    await put(store, entry(1))
    await raises(StorageError, put(store, entry(2), entry(3, id="id-1")))
    assert await seqs(store, Scan(OUTBOX)) == [1]
    await put(store, entry(1, state="failed"))
    assert await seqs(store, Scan(OUTBOX, BY_ID, "id-1", "id-1")) == [1]


async def decision_sees_the_results_and_its_writes_join_the_transaction(
    store: Store, _reopen: Reopen
) -> None:
    await put(store, entry(1))

    def decide(value: dict[str, Any], count: int) -> Batch:
        record = Put(METADATA, {"key": "a", "value": 1})
        return Batch([Delete(OUTBOX, 1), Put(OUTBOX, entry(7)), record], (value["seq"], count))

    assert await store.transact([Get(OUTBOX, 1), Count(OUTBOX)], decide) == (1, 1)
    assert await seqs(store, Scan(OUTBOX)) == [7]
    assert await store.read(Get(METADATA, "a")) == [{"key": "a", "value": 1}]


async def writes_of_one_batch_happen_in_order(store: Store, _reopen: Reopen) -> None:
    first, last = Put(OUTBOX, entry(1)), Put(OUTBOX, entry(1, state="failed"))
    await store.transact([], lambda: Batch([first, Delete(OUTBOX, 1), last]))
    (value,) = await store.read(Get(OUTBOX, 1))
    assert value["state"] == "failed"


async def decision_that_raises_aborts_and_comes_back_as_itself(
    store: Store, _reopen: Reopen
) -> None:
    problem = LookupError("no")

    def decide(_value: Any) -> Batch:
        raise problem

    assert await raises(LookupError, store.transact([Get(OUTBOX, 1)], decide)) is problem
    assert await store.read(Count(OUTBOX)) == [0]


async def s01_batch_that_the_store_refuses_leaves_nothing_of_it(
    store: Store, _reopen: Reopen
) -> None:
    await put(store, entry(1))
    writes = [Put(METADATA, {"key": "seq", "value": 2}), Put(OUTBOX, entry(2, id="id-1"))]
    await raises(StorageError, store.transact([], lambda: Batch(writes)))
    assert await store.read(Get(METADATA, "seq"), Count(OUTBOX)) == [None, 1]


async def transactions_at_once_see_each_other_s_results(store: Store, _reopen: Reopen) -> None:
    def decide(counter: dict[str, Any] | None) -> Batch:
        value = counter["value"] + 1 if counter else 1
        return Batch([Put(METADATA, {"key": "n", "value": value})], value)

    work = [store.transact([Get(METADATA, "n")], decide) for _ in range(20)]
    assert sorted(await asyncio.gather(*work)) == list(range(1, 21))


async def two_connections_are_serialised(store: Store, reopen: Reopen) -> None:
    other = await reopen()

    def decide(counter: dict[str, Any] | None) -> Batch:
        value = counter["value"] + 1 if counter else 1
        return Batch([Put(METADATA, {"key": "n", "value": value})], value)

    work = [
        each.transact([Get(METADATA, "n")], decide) for _ in range(10) for each in (store, other)
    ]
    assert sorted(await asyncio.gather(*work)) == list(range(1, 21))


async def what_was_committed_is_there_after_opening_again(store: Store, reopen: Reopen) -> None:
    await put(store, entry(1))
    assert await seqs(await reopen(), Scan(OUTBOX)) == [1]


async def thousands_of_writes_fit_one_batch(store: Store, _reopen: Reopen) -> None:
    await put(store, *[entry(seq) for seq in range(1, 2001)])
    assert await store.read(Count(OUTBOX)) == [2000]


async def multi_entry_index_finds_a_value_under_each_entry_of_its_list(
    store: Store, _reopen: Reopen
) -> None:
    await put(store, entry(4, waits_for=[3, 1, 3]), entry(5, waits_for=[3]), entry(6, waits_for=[]))
    await put(store, entry(7))
    assert await seqs(store, Scan(OUTBOX, BY_WAITS, 3, 3)) == [4, 5]
    assert await seqs(store, Scan(OUTBOX, BY_WAITS, 1, 2)) == [4]
    assert await seqs(store, Scan(OUTBOX, BY_WAITS)) == [4, 4, 5]
    assert await seqs(store, Scan(OUTBOX, BY_WAITS, reverse=True, limit=2)) == [5, 4]
    assert await store.read(Count(OUTBOX, BY_WAITS, 1, 3)) == [3]


async def multi_entry_index_follows_its_values(store: Store, _reopen: Reopen) -> None:
    await put(store, entry(4, earlier_ids=["a", "b"]), entry(5, earlier_ids=["a"]))
    await put(store, entry(4, earlier_ids=["b"]))
    await store.transact([], lambda: Batch([Delete(OUTBOX, 5)]))
    assert await seqs(store, Scan(OUTBOX, BY_EARLIER_ID, "a", "a")) == []
    assert await seqs(store, Scan(OUTBOX, BY_EARLIER_ID, "b", "b")) == [4]


ALL: list[Case] = [
    value
    for value in list(globals().values())
    if inspect.iscoroutinefunction(value) and value.__name__ not in {"put", "raises", "seqs"}
]


async def later_step_adds_an_index_and_finds_what_was_stored_before(open_with: Open) -> None:
    first = await open_with(UPGRADES[:1])
    await put(first, entry(1), entry(2, waits_for=[1]))
    await put(first, {"key": "seq", "value": 2}, name=METADATA)
    store = await open_with(UPGRADES)
    assert await seqs(store, Scan(OUTBOX)) == [1, 2]
    assert await seqs(store, Scan(OUTBOX, BY_WAITS, 1, 1)) == [2]
    assert await seqs(store, Scan(OUTBOX, BY_ID, "id-1", "id-1")) == [1]
    assert await store.read(Get(METADATA, "seq")) == [{"key": "seq", "value": 2}]
    await put(store, entry(3, waits_for=[1]))
    assert await seqs(store, Scan(OUTBOX, BY_WAITS, 1, 1)) == [2, 3]
    await raises(StorageError, put(store, entry(4, id="id-1")))


async def steps_that_were_taken_are_not_taken_again(open_with: Open) -> None:
    await put(await open_with(UPGRADES), entry(1, waits_for=[7]))
    assert await seqs(await open_with(UPGRADES), Scan(OUTBOX, BY_WAITS, 7, 7)) == [1]


UPGRADING: list[Callable[[Open], Awaitable[None]]] = [
    later_step_adds_an_index_and_finds_what_was_stored_before,
    steps_that_were_taken_are_not_taken_again,
]

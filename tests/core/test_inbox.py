"""What the worker brought is settled as if a page had sent it, whatever happened in between."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.actions import Registry
from app.core.attempt import NEXT, UNSETTLED, perhaps_sent, read_attempt
from app.core.claim import claim, requeue
from app.core.decision import Decision
from app.core.edit import edit
from app.core.enqueue import Draft, enqueue
from app.core.entry import Entry, by_id, read_entries
from app.core.inbox import settle_attempt
from app.core.metadata import CLIENT_ID, put
from app.core.outbox import remove
from app.core.schema import INBOX, OUTBOX, UPGRADES
from app.core.settle import settle
from app.errors import DriftlineError, InvalidInput, Rejected
from app.memory import MemoryStore
from app.ports import Batch, Put, Scan
from app.protocol import SyncRequest, SyncResponse
from app.sync.transport import Push, render_request
from server.apply import apply_batch
from server.prepared import prepare
from server.records import Author, Before
from tests.core.test_coalescing import made
from tests.courier import Courier, settle_all
from tests.examples import examples

NOW = 1_000_000


class Space:
    """A server that one client pushes to; `effects` counts the effects of each action."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.before = Before()
        self.effects: dict[str, int] = {}

    def ask(self, body: str) -> str:
        asked = SyncRequest.model_validate_json(body)
        actions = prepare(self.registry, asked.actions)
        outcome = apply_batch(self.registry, self.before, Author("u", "c"), actions, NOW)
        for result in outcome.results:
            if result.verdict == "applied":
                self.effects[result.id] = self.effects.get(result.id, 0) + 1
        self.before = replace(
            self.before,
            version=outcome.version,
            rows={**self.before.rows, **outcome.rows},
            receipts={**self.before.receipts, **outcome.receipts},
        )
        cursor = str(int(asked.cursor or 0) + 1)
        rows = [row.public() for row in self.before.rows.values()]
        return SyncResponse(
            results=outcome.results, rows=rows, cursor=cursor, has_more=False, server_time=0
        ).model_dump_json()

    def data(self) -> dict[tuple[str, str], Any]:
        rows = self.before.rows
        return {key: row.decoded() for key, row in rows.items() if row.data is not None}


class Phone:
    """A device; with `worker`, what is sent in the background is sent by one, else by a page."""

    def __init__(self, *, worker: bool) -> None:
        self.registry = made(coalescing=True)
        self.space = Space(self.registry)
        self.store = MemoryStore(UPGRADES)
        self.store._commit(Batch([put(CLIENT_ID, "c")]))
        self.worker = worker
        self.number = 0

    async def add(self, kind: str, item: str = "a", data: dict[str, Any] | None = None) -> str:
        self.number += 1
        draft = Draft(f"n{self.number}", kind, "things", item, data, NOW)
        added = await self.transact(enqueue([draft], self.registry))
        return str(added.ids[0])

    async def push(self, kill_at: int | None = None, limit: int = 100) -> None:
        """A page settles the inbox and sends what is due; it may be killed as the worker is."""
        await self.settle()
        await self.transact(requeue())
        while (claimed := await self.transact(claim(NOW, limit))).entries:
            entries, asked = claimed.entries, claimed.cursor
            body = render_request(Push(claimed.client_id, asked, claimed.settled_through, entries))
            if kill_at is not None and kill_at < 2:
                return
            answer = SyncResponse.model_validate_json(self.space.ask(body))
            if kill_at is not None and kill_at < 3:
                return
            await self.transact(settle(entries, answer, asked, NOW))
            if kill_at is not None:
                kill_at -= 4
                if kill_at < 0:
                    return

    async def background(self, kill_at: int | None, limit: int) -> None:
        if self.worker:
            await Courier(self.store, self.space.ask, limit).trip(kill_at)
        elif kill_at != 0:
            await self.push(kill_at, limit)

    async def settle(self) -> None:
        await settle_all(self.store, NOW)

    async def entries(self) -> list[Entry]:
        (found,) = await self.store.read(Scan(OUTBOX))
        return read_entries(found)

    async def entry(self, action_id: str) -> Entry:
        (found,) = await self.store.read(by_id(action_id))
        return read_entries(found)[0]

    async def transact(self, decision: Decision) -> Any:
        return await self.store.transact(decision.queries, decision.decide)


KILLS = st.one_of(st.none(), st.integers(0, 12))
CHANGES = (
    st.tuples(st.just("create"), st.sampled_from("abc"), st.integers(0, 9)),
    st.tuples(st.just("update"), st.sampled_from("abc"), st.integers(0, 9)),
    st.tuples(st.just("delete"), st.sampled_from("abc"), st.none()),
    st.tuples(st.just("discard"), st.integers(0, 3), st.none()),
)
SENDING = (
    st.tuples(st.just("background"), KILLS, st.integers(1, 3)),
    st.tuples(st.just("push"), KILLS, st.integers(1, 3)),
    st.tuples(st.just("settle"), st.none(), st.none()),
)
EDITS = (st.tuples(st.just("edit"), st.integers(0, 3), st.integers(0, 9)),)


async def take(phone: Phone, number: int, kind: str, what: Any, value: Any) -> None:
    """Do one step; what the app refuses is left undone."""
    if kind in ("push", "background"):
        await getattr(phone, kind)(what, value)
    elif kind == "settle":
        await phone.settle()
    elif kind in ("discard", "edit"):
        entries = await phone.entries()
        if what >= len(entries):
            return
        entry = entries[what]
        fresh = edit(entry, {"n": value, "e": number}, f"e{number}", phone.registry)
        try:
            await phone.transact(remove(entry) if kind == "discard" else fresh)
        except DriftlineError:
            return
    else:
        data = None if value is None else {"n": value, f"f{number % 3}": number}
        try:
            await phone.add(kind, what, data)
        except Rejected:
            return


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.one_of(*CHANGES[:3], *SENDING), max_size=25))
async def test_final_state_is_the_same_with_a_worker_and_without(steps: list[Any]) -> None:
    phones = [Phone(worker=worker) for worker in (True, False)]
    for number, (kind, what, value) in enumerate(steps):
        for phone in phones:
            await take(phone, number, kind, what, value)
    for phone in phones:
        await phone.push()
        assert await phone.entries() == []
        assert set(phone.space.effects.values()) <= {1}
    assert phones[0].space.data() == phones[1].space.data()
    assert (await phones[0].store.read(UNSETTLED)) == [[]]


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.one_of(*CHANGES, *EDITS, *SENDING), max_size=25))
async def test_each_action_has_one_effect_whatever_a_person_does_meanwhile(
    steps: list[Any],
) -> None:
    phone = Phone(worker=True)
    for number, (kind, what, value) in enumerate(steps):
        await take(phone, number, kind, what, value)
    await phone.push()
    assert set(phone.space.effects.values()) <= {1}
    for entry in await phone.entries():
        assert entry.state in ("failed", "conflict", "blocked")
        assert entry.error is None or entry.error.code != "key_reuse"
    assert (await phone.store.read(UNSETTLED)) == [[]]


async def test_change_of_what_the_worker_has_sent_is_an_action_of_its_own() -> None:
    phone = Phone(worker=True)
    first = await phone.add("create", data={"n": 1})
    await phone.background(1, 1)
    assert await phone.add("update", data={"n": 2}) != first
    await phone.push()
    assert phone.space.data() == {("things", "a"): {"n": 2}}


async def test_what_the_worker_has_sent_cannot_be_edited() -> None:
    phone = Phone(worker=True)
    first = await phone.add("create", data={"n": 1})
    await phone.background(1, 1)
    for _ in range(2):
        with pytest.raises(InvalidInput):
            await phone.transact(edit(await phone.entry(first), {"n": 2}, "e", phone.registry))
        await phone.settle()
    entry = await phone.entry(first)
    assert (entry.state, entry.sent, entry.in_doubt) == ("pending", True, True)


async def test_record_is_settled_once() -> None:
    phone = Phone(worker=True)
    await phone.add("create", data={"n": 1})
    await phone.background(None, 1)
    (found,) = await phone.store.read(NEXT)
    attempt = read_attempt(found[0])
    assert attempt is not None
    response = attempt.response()
    assert response is not None
    entries = await phone.entries()
    decision = settle_attempt(attempt, response, entries, NOW)
    first, second = await phone.transact(decision), await phone.transact(decision)
    assert (first.synced, second.synced) == (1, 0)
    assert await phone.entries() == []


async def test_damaged_records_name_nothing_and_are_no_attempts() -> None:
    store = MemoryStore(UPGRADES)
    await store.transact([], lambda: Batch([Put(INBOX, {"id": "odd", "actions": 7})]))
    (found,) = await store.read(UNSETTLED)
    assert perhaps_sent(found) == frozenset()
    assert read_attempt(found[0]) is None

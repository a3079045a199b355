"""What is written is what is read: on the wire, on the device, and after the store was reopened."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from app.core.entry import Entry, read_entries
from app.core.ids import uuid7
from app.core.invalid import read_row
from app.core.messages import Message
from app.core.schema import OUTBOX, ROWS, UPGRADES
from app.memory import MemoryStore
from app.ports import Batch, Get, Put, Scan
from app.protocol import (
    MAX_SAFE_INTEGER,
    Action,
    ErrorResponse,
    Problem,
    Result,
    Row,
    SyncRequest,
    SyncResponse,
)
from tests.examples import examples

counts = st.integers(0, MAX_SAFE_INTEGER)
seqs = st.integers(1, MAX_SAFE_INTEGER)
ids = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
names = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
texts = st.text(max_size=30)
numbers = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | st.floats(
    allow_nan=False, allow_infinity=False
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
data = st.dictionaries(texts, values, max_size=4)
maybe_data = st.none() | data
problems = st.builds(
    Problem, code=texts, message=texts, fields=st.dictionaries(texts, texts, max_size=3)
)
actions = st.builds(
    Action,
    id=ids,
    seq=seqs,
    type=names,
    version=st.integers(1, 1_000_000),
    collection=names,
    item_id=ids,
    data=maybe_data,
    base_version=st.none() | counts,
    created_at=counts,
)
rows = st.builds(
    Row,
    collection=names,
    id=ids,
    version=counts,
    data=maybe_data,
    deleted=st.booleans(),
    updated_at=counts,
    updated_by=texts,
)
verdicts = st.sampled_from(["applied", "duplicate", "conflict", "rejected", "retry"])
results = st.builds(
    Result,
    id=ids,
    verdict=verdicts,
    row=st.none() | rows,
    error=st.none() | problems,
    retry_after=st.none() | st.floats(0, 1e6),
)
entries = st.builds(
    Entry,
    seq=seqs,
    id=ids,
    type=names,
    collection=names,
    item_id=ids,
    state=st.sampled_from(["pending", "in_flight", "blocked", "conflict", "failed"]),
    sent=st.booleans(),
    attempts=st.integers(0, 100),
    next_attempt_at=counts,
    error=st.none() | problems,
    verdict=st.none() | verdicts,
    base=maybe_data,
    theirs=maybe_data,
    before=maybe_data,
    replaced=st.none() | st.lists(data, max_size=2).map(tuple),
    automatic=st.integers(0, 5),
    action=actions.map(lambda action: action.model_dump_json()),
)
messages = st.builds(Message, text=texts.filter(str.strip), sent_at=counts, sender=texts)
MODELS: dict[str, st.SearchStrategy[Any]] = {
    "Action": actions,
    "Problem": problems,
    "Row": rows,
    "Result": results,
    "Entry": entries,
    "Message": messages,
    "ErrorResponse": st.builds(ErrorResponse, error=problems),
    "SyncRequest": st.builds(
        SyncRequest,
        protocol=st.just(1),
        client_id=ids,
        cursor=st.none() | texts,
        settled_through=counts,
        limit=st.integers(1, 500),
        actions=st.lists(actions, max_size=3),
    ),
    "SyncResponse": st.builds(
        SyncResponse,
        results=st.lists(results, max_size=3),
        rows=st.lists(rows, max_size=3),
        cursor=texts,
        has_more=st.booleans(),
        epoch=texts,
        reset=st.booleans(),
        unread_count=counts,
        server_time=counts,
    ),
}


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=examples(15), deadline=None)
@given(st.data())
def test_h4_every_model_survives_its_own_json(name: str, drawn: st.DataObject) -> None:
    model: BaseModel = drawn.draw(MODELS[name])
    text = model.model_dump_json()
    assert type(model).model_validate_json(text) == model
    assert type(model).model_validate(json.loads(text)) == model
    assert type(model).model_validate(model.model_dump(mode="json")) == model


@settings(max_examples=examples(15), deadline=None)
@given(st.lists(entries, unique_by=(lambda it: it.seq, lambda it: it.id), max_size=3), rows)
async def test_h4_entries_and_rows_are_the_same_after_the_store_was_reopened(
    waiting: list[Entry], row: Row
) -> None:
    """A restart keeps only what was written as JSON; IndexedDB is held to the same contract."""
    store = MemoryStore(UPGRADES)
    puts = [entry.put() for entry in waiting]
    await store.transact([], lambda: Batch([*puts, Put(ROWS, row.model_dump(mode="json"))]))
    found, value = await store.read(Scan(OUTBOX), Get(ROWS, [row.collection, row.id]))
    assert read_entries(found) == sorted(waiting, key=lambda entry: entry.seq)
    assert read_row(value) == row
    for entry, original in zip(
        read_entries(found), sorted(waiting, key=lambda entry: entry.seq), strict=True
    ):
        assert entry.parsed() == original.parsed()


YEAR_2038 = 2**31 * 1000


@pytest.mark.parametrize("moment", [0, 1, YEAR_2038 - 1, YEAR_2038, 2**42, 2**48 - 1])
def test_f3_times_past_2038_stay_what_they_are_and_in_order(moment: int) -> None:
    action = Action(
        id=uuid7(moment, 5), seq=1, type="t", collection="c", item_id="i", created_at=moment
    )
    assert Action.model_validate_json(action.model_dump_json()).created_at == moment
    if moment:
        assert uuid7(moment - 1, 2**74 - 1) < uuid7(moment, 0)

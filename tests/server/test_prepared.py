"""What is said of actions before the space is looked at is what would be said afterwards."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.actions import Data, Registry, registry
from app.protocol import Action
from server.apply import apply_batch
from server.prepared import prepare
from server.records import Author, Before, StoredRow
from tests.server.builders import action, message, parsed
from tests.server.conftest import Api

ME = Author("user", "me")
THERE = {
    "n1": StoredRow("drafts", "n1", 3, '{"t":0}', 30, "user", "other", 1, 0),
    "n2": StoredRow("drafts", "n2", 4, None, 40, "user", "me", 1, 0),
}

kinds = st.sampled_from(["create", "update", "put", "delete", "send_message", "fly"])
data = st.sampled_from([None, {}, {"t": 1}, {"text": "Hello"}, {"text": " "}])
intents = st.lists(
    st.tuples(kinds, st.sampled_from(["n1", "n2", "n3"]), data, st.sampled_from([None, 3, 4])),
    max_size=8,
)


@settings(deadline=None)
@given(intents)
def test_verdicts_are_the_same_without_what_was_prepared(intents: list[Any]) -> None:
    before = Before(4, 40, rows={row.key: row for row in THERE.values()})
    actions = parsed(
        *(
            action(seq, kind, item, data=data, base_version=base)
            for seq, (kind, item, data, base) in enumerate(intents, start=1)
        )
    )
    prepared = prepare(registry, actions)
    bare = [it._replace(first=None) for it in prepared]
    assert apply_batch(registry, before, ME, prepared, 50) == apply_batch(
        registry, before, ME, bare, 50
    )


def test_action_of_an_item_that_its_author_knew_is_not_tried_on_nothing() -> None:
    given = parsed(action(1, data={"t": 1}), action(2, "update", base_version=7))
    made, changed = prepare(registry, given)
    assert made.first == '{"t":1}'
    assert changed.first is None


def test_function_that_breaks_is_a_matter_of_the_verdict() -> None:
    broken = Registry()

    @broken.action("create")
    def create(current: Data | None, action: Action) -> Data | None:
        raise KeyError(action.id)

    (prepared,) = prepare(broken, parsed(action(1)))
    assert prepared.first is None
    outcome = apply_batch(broken, Before(), ME, [prepared], 50)
    assert [result.error.code for result in outcome.results if result.error] == ["failed"]


async def test_new_items_are_worked_out_off_the_thread_that_writes(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[str] = []
    apply = Registry.apply

    def seen(self: Registry, current: Data | None, action: Action) -> Data | None:
        where.append(threading.current_thread().name)
        return apply(self, current, action)

    monkeypatch.setattr(Registry, "apply", seen)
    assert await api.verdicts(message(1), message(2)) == ["applied", "applied"]
    assert where
    assert "writer" not in where

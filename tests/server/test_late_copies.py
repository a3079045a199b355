"""Late copies of a request whose action was edited since: the edited one is what counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.actions import Data, Registry
from app.protocol import Action
from server.apply import apply_batch
from server.prepared import prepare
from server.records import Before, Outcome
from tests.examples import examples
from tests.server.builders import action, message, parsed
from tests.server.conftest import Api
from tests.server.test_apply import ME, NOW, after, code, run, theirs, verdicts

FIRST: dict[str, Any] = {"id": "first", "data": {"text": "old"}}
EDITED: dict[str, Any] = {"id": "edited", "data": {"text": "new"}, "earlier_ids": ["first"]}


def turning() -> Registry:
    """Return a registry of one action that checks no versions."""
    own = Registry()

    @own.action("turn")
    def turn(current: Data | None, action: Action) -> Data:
        return {**(current or {}), **(action.data or {})}

    return own


def turn(before: Before, **fields: Any) -> Outcome:
    own = turning()
    actions = prepare(own, parsed(action(1, "turn", **fields)))
    return apply_batch(own, before, ME, actions, NOW)


def test_copy_that_comes_behind_the_edited_action_changes_nothing() -> None:
    edited = turn(theirs(), **EDITED)
    late = turn(after(theirs(), edited), **FIRST)
    assert verdicts(edited) + verdicts(late) == ["applied", "rejected"]
    assert code(late) == "already_settled"
    assert not late.rows


def test_copy_that_comes_behind_an_edit_of_an_edit_changes_nothing() -> None:
    names = ["first", "second"]
    last = turn(theirs(), **{**EDITED, "earlier_ids": names})
    for name in names:
        assert verdicts(turn(after(theirs(), last), **{**FIRST, "id": name})) == ["rejected"]


@pytest.mark.parametrize("base", [None, 4])
def test_copy_stays_out_where_the_edited_action_was_not_applied(base: int | None) -> None:
    edited = run(theirs(), action(1, "update", **EDITED, base_version=base))
    late = run(after(theirs(), edited), action(1, "update", **FIRST, base_version=5))
    assert verdicts(edited) + verdicts(late) == ["conflict", "rejected"]


def test_copy_that_comes_before_the_edited_action_is_no_conflict_with_it() -> None:
    early = run(theirs(), action(1, "update", **FIRST, base_version=5))
    edited = run(after(theirs(), early), action(1, "update", **EDITED, base_version=5))
    assert verdicts(early) + verdicts(edited) == ["applied", "applied"]
    assert edited.rows["drafts", "n1"].data == '{"title":"theirs","text":"new"}'
    assert list(edited.receipts) == ["edited"]


def test_what_was_written_in_its_place_by_another_action_is_a_conflict() -> None:
    other = run(theirs(), action(1, "update", id="other", base_version=5))
    edited = run(after(theirs(), other), action(1, "update", **EDITED, base_version=5))
    assert verdicts(edited) == ["conflict"]


def test_edited_action_that_has_to_wait_says_nothing_of_its_earlier_ids() -> None:
    outcome = run(theirs(), action(1, "update"), action(2, "update", **EDITED))
    assert verdicts(outcome) == ["conflict", "retry"]
    assert list(outcome.receipts) == ["a1"]


async def test_late_copy_of_a_message_makes_no_second_one(api: Api) -> None:
    edited = message(1, "new", id="edited", earlier_ids=["first"])
    assert await api.verdicts(edited) == ["applied"]
    late = await api.sync(message(1, "old", id="first", item="m9"))
    assert late["results"][0]["error"]["code"] == "already_settled"
    assert await api.verdicts(edited) == ["duplicate"]


async def test_edited_message_finds_that_its_copy_was_carried_out(api: Api) -> None:
    await api.sync(message(1, "made"))
    old: dict[str, Any] = {
        "id": "first",
        "item": "m1",
        "collection": "messages",
        "data": {"text": "old"},
    }
    assert await api.verdicts(action(2, "update", **old, base_version=1)) == ["applied"]
    edited = {**old, "id": "edited", "data": {"text": "new"}, "earlier_ids": ["first"]}
    assert await api.verdicts(action(2, "update", **edited, base_version=1)) == ["applied"]


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.integers(0, 3), max_size=12))
def test_however_copies_come_the_latest_edit_that_came_is_what_counts(comes: list[int]) -> None:
    before, latest = theirs(), -1
    for edit in comes:
        names = [f"edit{number}" for number in range(edit + 1)]
        fields = {"id": names[-1], "data": {"text": edit}, "earlier_ids": names[:-1]}
        outcome = turn(before, **fields)
        assert bool(outcome.rows) == (edit > latest)
        before, latest = after(before, outcome), max(edit, latest)
        assert before.rows["drafts", "n1"].decoded() == {"title": "theirs", "text": latest}

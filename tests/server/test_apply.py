"""Verdicts on single batches, decided in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

import app.core.messages  # noqa: F401  (declares the model of messages)
from app.core.actions import Data, Registry, registry
from app.protocol import Action, Row
from server.apply import apply_batch
from server.prepared import body_hash, prepare
from server.records import Author, Before, Outcome, StoredRow
from tests.server.builders import action, message, parsed

ME = Author("user", "me")
NOW = 1_000


def run(before: Before, *actions: dict[str, Any], author: Author = ME, now: int = NOW) -> Outcome:
    return apply_batch(registry, before, author, prepare(registry, parsed(*actions)), now)


def after(before: Before, outcome: Outcome) -> Before:
    """Return what the database holds once an outcome is committed."""
    return replace(
        before,
        version=outcome.version,
        updated_at=outcome.updated_at,
        rows={**before.rows, **outcome.rows},
        receipts={**before.receipts, **outcome.receipts},
    )


def verdicts(outcome: Outcome) -> list[str]:
    return [result.verdict for result in outcome.results]


def code(outcome: Outcome, index: int = -1) -> str | None:
    error = outcome.results[index].error
    return error.code if error else None


def theirs(version: int = 5, data: str | None = '{"title":"theirs"}') -> Before:
    """Return a space in which somebody else wrote the note last."""
    row = StoredRow("drafts", "n1", version, data, 900, "user", "other", 3, 0)
    return Before(version=version, updated_at=900, rows={row.key: row})


def test_create_gives_the_next_version_and_a_receipt() -> None:
    outcome = run(Before(version=7, updated_at=10), action(1, data={"title": "A"}))
    assert verdicts(outcome) == ["applied"]
    assert outcome.version == 8
    assert outcome.rows["drafts", "n1"].data == '{"title":"A"}'
    assert list(outcome.receipts) == ["a1"]


def test_times_grow_with_versions_even_when_the_clock_steps_back() -> None:
    before = Before(updated_at=5_000)
    outcome = run(before, action(1), action(2, item="n2"), now=10)
    assert [row.updated_at for row in outcome.rows.values()] == [5_001, 5_002]


def test_resend_gets_the_first_row_as_duplicate_and_changes_nothing() -> None:
    first = run(Before(), action(1, data={"title": "A"}))
    again = run(after(Before(), first), action(1, data={"title": "A"}))
    assert verdicts(again) == ["duplicate"]
    assert again.results[0].row == first.results[0].row
    assert not again.rows
    assert not again.receipts


def test_resend_of_a_deletion_gets_its_tombstone() -> None:
    made = run(Before(), action(1, data={"title": "A"}))
    gone = run(after(Before(), made), action(2, "delete", base_version=1))
    again = run(after(after(Before(), made), gone), action(2, "delete", base_version=1))
    assert verdicts(again) == ["duplicate"]
    assert again.results[0].row == gone.results[0].row
    assert gone.results[0].row is not None
    assert gone.results[0].row.deleted


def test_receipt_holds_only_what_the_action_does_not_say() -> None:
    outcome = run(Before(version=7, updated_at=10), action(1, data={"title": "A"}))
    assert outcome.receipts["a1"].result == '[8,1000,{"title":"A"}]'


def test_receipt_that_an_older_server_kept_is_given_again() -> None:
    first = run(Before(), action(1, data={"title": "A"}))
    receipt = first.receipts["a1"]._replace(result=first.results[0].model_dump_json())
    before = replace(after(Before(), first), receipts={"a1": receipt})
    again = run(before, action(1, data={"title": "A"}))
    assert verdicts(again) == ["duplicate"]
    assert again.results[0].row == first.results[0].row


def test_resend_of_a_rejected_action_is_rejected_again_with_the_same_error() -> None:
    first = run(theirs(), action(1))
    again = run(after(theirs(), first), action(1))
    assert again.results == first.results
    assert code(again) == "exists"


def test_same_id_twice_in_one_batch_has_one_effect() -> None:
    outcome = run(Before(), action(1), action(1))
    assert verdicts(outcome) == ["applied", "duplicate"]
    assert outcome.version == 1


def test_same_id_with_another_body_is_key_reuse() -> None:
    outcome = run(Before(), action(1), action(1, data={"title": "B"}))
    assert verdicts(outcome) == ["applied", "rejected"]
    assert code(outcome) == "key_reuse"


def test_resend_under_another_seq_is_the_same_action() -> None:
    outcome = run(Before(), action(1), action(2, id="a1"))
    assert verdicts(outcome) == ["applied", "duplicate"]


def test_action_that_was_settled_before_is_not_run_again() -> None:
    outcome = run(Before(settled_through=4), action(4))
    assert verdicts(outcome) == ["rejected"]
    assert code(outcome) == "already_settled"
    assert not outcome.rows
    assert not outcome.receipts


def test_unknown_type_is_rejected_alone() -> None:
    outcome = run(Before(), action(1, "fly"), action(2, item="n2"))
    assert verdicts(outcome) == ["rejected", "applied"]
    assert code(outcome, 0) == "unknown_type"


def test_data_that_does_not_fit_the_model_is_rejected_with_its_fields() -> None:
    outcome = run(Before(), message(1, text="  "))
    assert verdicts(outcome) == ["rejected"]
    assert outcome.results[0].error is not None
    assert list(outcome.results[0].error.fields) == ["text"]


def test_action_function_that_breaks_is_rejected_alone() -> None:
    broken = Registry()

    @broken.action("create")
    def create(current: Data | None, action: Action) -> Data | None:
        raise KeyError(action.id)

    outcome = apply_batch(broken, Before(), ME, prepare(broken, parsed(action(1))), NOW)
    assert verdicts(outcome) == ["rejected"]
    assert code(outcome) == "failed"


def test_later_action_of_the_item_is_held_back_without_a_receipt() -> None:
    outcome = run(theirs(), action(1), action(2, "update"), action(3, item="n2"))
    assert verdicts(outcome) == ["rejected", "retry", "applied"]
    assert code(outcome, 1) == "blocked"
    assert "a2" not in outcome.receipts


def test_dependent_of_what_was_not_applied_is_held_back_without_a_receipt() -> None:
    dependent = action(2, item="n2", depends_on=[1])
    behind = action(3, "update", item="n2", base_version=0, data={"x": 1})
    third = action(4, item="n4", depends_on=[2])
    outcome = run(theirs(), action(1), dependent, behind, third, action(5, item="n5"))
    assert verdicts(outcome) == ["rejected", "retry", "retry", "retry", "applied"]
    assert code(outcome, 1) == code(outcome, 3) == "blocked"
    assert list(outcome.receipts) == ["a1", "a5"]


def test_dependent_of_what_was_applied_is_run_in_the_same_batch() -> None:
    outcome = run(Before(), action(1), action(2, item="n2", depends_on=[1]))
    assert verdicts(outcome) == ["applied", "applied"]


def test_dependencies_that_are_left_out_of_a_resend_make_it_no_other_action() -> None:
    first = run(Before(), action(1), action(2, item="n2", depends_on=[1]))
    again = run(after(Before(), first), action(2, item="n2"))
    assert verdicts(again) == ["duplicate"]


@pytest.mark.parametrize("base", [None, 0, 4, 6])
def test_update_not_based_on_the_current_version_is_a_conflict(base: int | None) -> None:
    outcome = run(theirs(version=5), action(1, "update", base_version=base, data={"x": 1}))
    assert verdicts(outcome) == ["conflict"]
    assert outcome.results[0].row == theirs().rows["drafts", "n1"].public()
    assert not outcome.rows
    assert "a1" in outcome.receipts


def test_update_based_on_the_current_version_is_applied() -> None:
    outcome = run(theirs(version=5), action(1, "update", base_version=5, data={"x": 1}))
    assert verdicts(outcome) == ["applied"]
    assert outcome.rows["drafts", "n1"].data == '{"title":"theirs","x":1}'


def test_update_of_a_deleted_item_is_a_conflict_when_stale_and_rejected_when_not() -> None:
    deleted = theirs(version=5, data=None)
    assert verdicts(run(deleted, action(1, "update", base_version=4))) == ["conflict"]
    assert code(run(deleted, action(1, "update", base_version=5))) == "not_found"


def test_update_of_an_item_that_never_was_is_rejected() -> None:
    assert code(run(Before(), action(1, "update", base_version=3))) == "not_found"


def test_deleting_what_is_gone_succeeds_and_writes_nothing() -> None:
    for before in (Before(), theirs(data=None)):
        outcome = run(before, action(1, "delete", base_version=2))
        assert verdicts(outcome) == ["applied"]
        assert not outcome.rows
        assert outcome.version == before.version


def test_offline_chain_from_create_to_delete_is_no_conflict_with_itself() -> None:
    chain = [action(1), action(2, "update"), action(3, "update"), action(4, "delete")]
    outcome = run(Before(), *chain)
    assert verdicts(outcome) == ["applied"] * 4
    assert outcome.rows["drafts", "n1"].data is None


@pytest.mark.parametrize("split", [1, 2, 3])
def test_own_run_of_writes_goes_on_across_batches(split: int) -> None:
    before = theirs(version=5)
    edits = [
        action(1, "update", base_version=5, data={"a": 1}),
        action(2, "update", base_version=5, data={"b": 2}),  # made before the answer to a1
        action(3, "update", base_version=6, data={"c": 3}),  # made before the answer to a2
        action(4, "update", base_version=8, data={"d": 4}),
    ]
    first = run(before, *edits[:split])
    second = run(after(before, first), *edits[split:])
    assert verdicts(first) + verdicts(second) == ["applied"] * 4


def test_write_of_another_client_ends_the_run() -> None:
    before = theirs(version=5)
    mine = run(before, action(1, "update", base_version=5, data={"a": 1}))
    between = after(before, mine)
    other = Author("user", "other")
    foreign = run(between, action(9, "update", id="b9", base_version=6), author=other)
    late = run(after(between, foreign), action(2, "update", base_version=5, data={"b": 2}))
    assert verdicts(foreign) == ["applied"]
    assert verdicts(late) == ["conflict"]


def test_earlier_action_does_not_overwrite_a_later_one_of_the_same_client() -> None:
    before = theirs(version=5)
    later = run(before, action(2, "update", base_version=5, data={"a": 2}))
    earlier = run(after(before, later), action(1, "update", base_version=5, data={"a": 1}))
    assert verdicts(earlier) == ["conflict"]


def test_unseen_change_under_an_unchecked_write_stays_a_conflict() -> None:
    free = Registry()

    @free.action("touch")
    def touch(current: Data | None, action: Action) -> Data | None:
        return {**(current or {}), "touched": True}

    @free.action("update", checks_version=True)
    def update(current: Data | None, action: Action) -> Data | None:
        return {**(current or {}), **(action.data or {})}

    actions = parsed(action(1, "touch", base_version=3), action(2, "update", base_version=3))
    outcome = apply_batch(free, theirs(version=5), ME, prepare(free, actions), NOW)
    assert verdicts(outcome) == ["applied", "conflict"]


def test_item_grown_too_large_is_rejected() -> None:
    big = theirs(data='{"a":"' + "x" * 60_000 + '"}')
    outcome = run(big, action(1, "update", base_version=5, data={"b": "y" * 10_000}))
    assert code(outcome) == "too_large"


def test_size_of_an_item_is_counted_as_sent_not_as_stored() -> None:
    outcome = run(Before(), action(1, data={"body": "я" * 30_000}))
    assert verdicts(outcome) == ["applied"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"data": {"b": [1.5, None, {"z": 'Привет \u0000 " \\'}], "a": True}},
        {"data": {}, "base_version": 0, "version": 3},
        {"kind": "delete", "base_version": 12},
    ],
)
def test_hash_of_a_body_is_that_of_its_sorted_json(fields: dict[str, Any]) -> None:
    (one,) = parsed(action(1, **fields))
    names = ("type", "version", "collection", "item_id", "data", "base_version", "created_at")
    body = json.dumps([getattr(one, name) for name in names], sort_keys=True)
    assert body_hash(one) == sha256(body.encode()).hexdigest()


@pytest.mark.parametrize("user", ["local", 'Zoë "Z" \\ 👋'])
@pytest.mark.parametrize("data", [None, {"t": "Привет 👋"}, {"t": "\u0000\u007f\n"}, {"n": 1e300}])
def test_row_put_together_by_hand_is_the_row(user: str, data: Data | None) -> None:
    stored = json.dumps(data) if data is not None else None
    row = StoredRow("drafts", "n1", 2**53 - 1, stored, 900, user, "me", 1, 0)
    said = Row.model_validate_json(row.text())
    assert said.data == data
    assert said.deleted == (data is None)
    assert (said.version, said.updated_at, said.updated_by) == (2**53 - 1, 900, user)
    assert "\\u04" not in row.text()


def test_receipt_is_kept_in_ascii_whatever_the_row_says() -> None:
    outcome = run(Before(), action(1, data={"t": "Привет"}))
    assert outcome.receipts["a1"].result.isascii()
    again = run(after(Before(), outcome), action(1, data={"t": "Привет"}))
    assert again.results[0].row == outcome.results[0].row

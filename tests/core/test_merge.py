"""Merging by field: the laws that hold whatever people wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.merge import Merged, differing, merge, same
from tests.examples import examples

Data = dict[str, Any]
LOTS = settings(max_examples=examples(200), deadline=None)
names = st.sampled_from("abcd")
values = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, 2, "", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(names, values, max_size=4)
versions = st.none() | objects


def equal(one: Merged, other: Merged) -> bool:
    return same(one.data, other.data) and one.overlapping == other.overlapping


@LOTS
@given(versions, versions)
def test_who_changed_nothing_takes_what_the_other_made(
    base: Data | None, made: Data | None
) -> None:
    assert equal(merge(base, made, base), Merged(made))
    assert equal(merge(base, base, made), Merged(made))
    assert equal(merge(base, made, made), Merged(made))


@LOTS
@given(versions, versions, versions)
def test_mine_and_theirs_changed_round_differ_in_overlapping_fields_only(
    base: Data | None, mine: Data | None, theirs: Data | None
) -> None:
    one, other = merge(base, mine, theirs), merge(base, theirs, mine)
    assert one.overlapping == other.overlapping
    sides = {None: None, "mine": "theirs", "theirs": "mine"}
    assert one.deleted_by == sides[other.deleted_by]
    assert set(differing(one.data, other.data)) <= set(one.overlapping)


@LOTS
@given(versions, versions, versions)
def test_every_client_gets_the_same_result_whatever_the_order_of_fields(
    base: Data | None, mine: Data | None, theirs: Data | None
) -> None:
    def anew(value: Data | None) -> Data | None:
        read: Data | None = json.loads(json.dumps(value))
        return read if read is None else dict(reversed(list(read.items())))

    there = merge(anew(base), anew(mine), anew(theirs))
    assert equal(there, merge(base, mine, theirs))


@LOTS
@given(st.none() | objects, objects, objects)
def test_no_field_of_either_side_is_lost_unasked(
    base: Data | None, mine: Data, theirs: Data
) -> None:
    merged, was = merge(base, mine, theirs), base or {}
    assert merged.data is not None
    for side in (mine, theirs):
        for name in differing(was, side):
            if name in merged.overlapping:
                assert name in merged.data, "an overlapping field is there to be looked at"
            elif name in side:
                assert same(merged.data[name], side[name])
            else:
                assert name not in merged.data, "who took it out alone has their way"
    untouched = set(was) - {*differing(was, mine), *differing(was, theirs)}
    assert all(same(merged.data[name], was[name]) for name in untouched)


@LOTS
@given(st.none() | objects, objects, objects)
def test_fields_overlap_exactly_where_both_changed_them_differently(
    base: Data | None, mine: Data, theirs: Data
) -> None:
    both = {*differing(base, mine)} & {*differing(base, theirs)} & {*differing(mine, theirs)}
    assert merge(base, mine, theirs).overlapping == tuple(sorted(both))


@LOTS
@given(objects, objects)
def test_deletion_of_what_the_other_changed_is_a_conflict_of_its_own_kind(
    base: Data, changed: Data
) -> None:
    merged = merge(base, None, changed)
    if same(base, changed):
        assert merged == Merged(None)
    else:
        assert merged == Merged(changed, deleted_by="mine")
        assert not merged.clean


def test_disjoint_changes_merge_by_themselves_and_equal_ones_do_not_overlap() -> None:
    base = {"title": "Hut", "body": "Closed.", "tag": "a"}
    mine, theirs = {**base, "title": "Old hut", "tag": "b"}, {**base, "body": "Open.", "tag": "b"}
    assert merge(base, mine, theirs) == Merged({"title": "Old hut", "body": "Open.", "tag": "b"})


def test_both_deleted_is_no_conflict() -> None:
    assert merge({"n": 1}, None, None).clean


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [(1, 1.0, True), (1, True, False), (0, False, False), ([1], [True], False), (None, 0, False)],
)
def test_values_are_compared_as_json_has_them(one: Any, other: Any, expected: bool) -> None:
    assert same(one, other) == expected
    assert same({"a": one}, {"a": other}) == expected

"""Entries keep their block while others come and go, so that little of the document is touched."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.ui.outbox_blocks import blocks_of


def test_entries_stand_in_blocks_of_a_size() -> None:
    blocks = blocks_of(range(1, 8), [], size=3)
    assert blocks == {1: [1, 2, 3], 4: [4, 5, 6], 7: [7]}


def test_block_gets_shorter_where_entries_leave_and_no_other_moves() -> None:
    blocks = blocks_of([2, 4, 5, 6, 7], [1, 4, 7], size=3)
    assert blocks == {1: [2], 4: [4, 5, 6], 7: [7]}


def test_block_whose_entries_all_left_is_gone() -> None:
    assert blocks_of([4, 5, 7], [1, 4, 7], size=3) == {4: [4, 5], 7: [7]}


def test_what_comes_behind_fills_up_the_last_block_and_then_new_ones() -> None:
    assert blocks_of(range(4, 12), [4], size=3) == {4: [4, 5, 6], 7: [7, 8, 9], 10: [10, 11]}


@given(st.sets(st.integers(1, 99)), st.sets(st.integers(1, 99)), st.integers(1, 5))
def test_no_entry_is_lost_or_moves(first: set[int], later: set[int], size: int) -> None:
    before = blocks_of(sorted(first), [], size)
    assert [seq for block in before.values() for seq in block] == sorted(first)
    assert all(len(block) <= size for block in before.values())
    kept = sorted((first & later) | {seq + 100 for seq in later})
    after = blocks_of(kept, before, size)
    assert [seq for block in after.values() for seq in block] == kept
    for start, block in before.items():
        assert [seq for seq in block if seq in later] == [
            seq for seq in after.get(start, []) if seq < 100
        ]

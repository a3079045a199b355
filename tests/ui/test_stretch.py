"""What is drawn of a long list: near the view, never too much, and what is read stays put."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ui.stretch import FIRST, MOST, STEP, Change, Sight, Stretch, compare, leap, settled

lists = st.lists(st.integers(0, 5), max_size=30).map(tuple)


@given(lists, lists)
def test_lists_are_the_same_at_both_ends_and_differ_in_between(
    before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    change = compare(before, after)
    start, end = change.start, change.end
    assert before[:start] == after[:start]
    assert before[len(before) - end :] == after[len(after) - end :]
    assert start + end <= min(len(before), len(after))
    middles = before[start : len(before) - end], after[start : len(after) - end]
    if all(middles):
        assert middles[0][0] != middles[1][0]
        assert middles[0][-1] != middles[1][-1]


@given(lists, lists, st.data())
def test_entry_that_stays_is_found_where_it_is_now(
    before: tuple[int, ...], after: tuple[int, ...], data: st.DataObject
) -> None:
    change = compare(before, after)
    kept = [*range(change.start), *range(len(before) - change.end, len(before))]
    for index in kept:
        assert after[change.place(index)] == before[index]


class Entry:
    """An entry that would be slow to compare, were it not the same object."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared by its content")

    __hash__ = None  # type: ignore[assignment]  # as for any class with an __eq__


def test_entries_that_are_there_before_and_after_are_compared_by_identity() -> None:
    before = tuple(Entry() for _ in range(10_000))
    assert compare(before, before[:]) == Change(10_000, 10_000, 10_000, 0)


def test_comparing_ten_thousand_costs_a_moment() -> None:
    before = tuple(object() for _ in range(10_000))
    for after in ((*before, object()), (object(), *before), (*before[:-1], object())):
        began = time.perf_counter()
        change = compare(before, after)
        assert time.perf_counter() - began < 0.05
        assert change.start + change.end >= 9_999


@pytest.mark.parametrize(("total", "drawn"), [(0, 0), (5, 5), (10_000, FIRST)])
def test_first_are_the_newest(total: int, drawn: int) -> None:
    assert Stretch().follow(Change(after=total)) == Stretch(total - drawn, total)


def test_followed_end_stays_the_end_and_never_grows_for_good() -> None:
    stretch, total = Stretch(9_960, 10_000), 10_000
    for _ in range(500):
        stretch = stretch.follow(Change(total, total + 1, total, 0))
        total += 1
        assert stretch.last == total
        assert FIRST <= stretch.size <= FIRST + 2 * STEP


def test_page_of_new_ones_is_not_drawn_as_a_whole_while_the_end_is_followed() -> None:
    stretch = Stretch(60, 100).follow(Change(100, 600, 100, 0))
    assert stretch == Stretch(600 - FIRST, 600)


def test_new_message_is_not_drawn_while_one_reads_above() -> None:
    assert Stretch(100, 240).stay(Change(240, 241, 240, 0)) == Stretch(100, 240)


def test_older_page_moves_the_stretch_with_what_it_shows() -> None:
    assert Stretch(0, 140).stay(Change(200, 300, 0, 200)) == Stretch(100, 240)


def test_what_changed_in_place_is_still_shown() -> None:
    assert Stretch(60, 100).stay(Change(100, 100, 99, 0)) == Stretch(60, 100)
    assert Stretch(60, 100).stay(Change(100, 99, 70, 29)) == Stretch(60, 99)


def test_a_view_more_is_drawn_ahead_in_both_directions() -> None:
    stretch = Stretch(500, 600)
    assert stretch.around(Sight(900, 900, 800), 1_000) == stretch
    assert stretch.around(Sight(700, 9_000, 800), 1_000) == Stretch(480, 600)
    assert stretch.around(Sight(9_000, 700, 800), 1_000) == Stretch(500, 620)
    assert Stretch(0, 60).around(Sight(0, 700, 800), 60) == Stretch(0, 60)


@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 2_000)), max_size=60),
)
def test_never_more_than_the_most_is_drawn_while_scrolling(
    last: int, sights: list[tuple[int, int]]
) -> None:
    stretch = Stretch(max(0, last - FIRST), last)
    for above, below in sights:
        stretch = stretch.around(Sight(above, below, 1_000), 10_000)
        assert 0 <= stretch.first <= stretch.last <= 10_000
        assert stretch.size <= MOST


def test_leap_into_the_spacer_draws_what_belongs_there() -> None:
    stretch, spacer = leap(Stretch(0, 140), 1_140, 80_000.0, 40_000.0)
    assert stretch == Stretch(640 - FIRST, 640)
    assert spacer == 40_000.0


def test_leap_to_the_end_leaves_no_spacer() -> None:
    assert leap(Stretch(0, 140), 1_140, 80_000.0, -500.0) == (Stretch(1_140 - FIRST, 1_140), 0.0)


def test_spacer_takes_exactly_the_height_of_what_was_taken_out_and_gives_it_back() -> None:
    taken, rest = settled(0.0, 1_234.5, at_end=False)
    assert (taken, rest) == (1_234.5, 0.0)
    assert settled(taken, -1_234.5, at_end=True) == (0.0, 0.0)


def test_what_the_spacer_cannot_make_up_for_is_scrolled() -> None:
    assert settled(100.0, -300.0, at_end=False) == (0.0, -200.0)
    assert settled(100.0, -60.0, at_end=True) == (0.0, 40.0)

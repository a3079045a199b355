"""The stretch of a long list that is drawn: only what is near the view. Pure arithmetic.

What is drawn lies between what is left out above, which takes no room, and what is left out below,
for which a spacer of its height stands. The list is laid out from its end, so nothing that happens
above the view moves it; what happens below is made up for by the spacer (`settled`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIRST = 40
"""Entries drawn at first: more than a screen and what is drawn ahead of it show."""
STEP = 20
"""Entries drawn at a time while scrolling."""
MOST = 140
"""Entries drawn at most: three screens of the smallest ones, or else they come and go in turn."""


@dataclass(frozen=True)
class Change:
    """How one list became another.

    Of `before` entries, the first `start` and the last `end` are the same among the `after` ones.
    """

    before: int = 0
    after: int = 0
    start: int = 0
    end: int = 0

    @property
    def appended(self) -> bool:
        """Whether all that was there before is there still, in front of what is new."""
        return self.start == self.before

    def place(self, index: int) -> int:
        """Return where the entry at `index` is now, or what took its place."""
        if index < self.start:
            return index
        if index >= self.before - self.end:
            return index + self.after - self.before
        return max(0, min(index, self.after - self.end - 1))


def compare(before: Sequence[object], after: Sequence[object]) -> Change:
    """Return how `before` became `after`.

    Whole slices are compared, by bisection: C does that by identity, 10,000 entries in a moment.
    """
    size, other = len(before), len(after)
    start = _longest(min(size, other), lambda n: before[:n] == after[:n])
    most = min(size, other) - start
    end = _longest(most, lambda n: before[size - n :] == after[other - n :])
    return Change(size, other, start, end)


def _longest(most: int, same: Callable[[int], bool]) -> int:
    """Return the largest number up to `most` for which `same` holds; it does for all below it."""
    if same(most):
        return most
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if same(middle) else (low, middle)
    return low


@dataclass(frozen=True)
class Sight:
    """What a person sees of the log, in pixels.

    `above` is how much is drawn above the view, `below` how much below it (negative: the view has
    left what is drawn), `height` the view's own.
    """

    above: float
    below: float
    height: float


@dataclass(frozen=True)
class Stretch:
    """The entries from `first` up to, and without, `last`."""

    first: int = 0
    last: int = 0

    @property
    def size(self) -> int:
        """How many entries there are in it."""
        return self.last - self.first

    def follow(self, change: Change) -> Stretch:
        """Return the stretch of the changed list that ends with its last entry."""
        first = change.place(self.first) if self.size else change.after
        if not FIRST <= change.after - first <= FIRST + 2 * STEP:
            first = max(0, change.after - FIRST)
        return Stretch(first, change.after)

    def stay(self, change: Change) -> Stretch:
        """Return the stretch of the changed list that shows what this one showed."""
        if not self.size or not change.after:
            return self.follow(change)
        first, last = change.place(self.first), change.place(self.last - 1) + 1
        return Stretch(first, min(last, first + MOST + STEP))

    def around(self, sight: Sight, total: int) -> Stretch:
        """Return the stretch to draw of `total` entries so that a view more is drawn ahead."""
        if sight.below < sight.height and self.last < total:
            last = min(total, self.last + STEP)
            return Stretch(max(self.first, last - MOST), last)
        if sight.above < sight.height and self.first > 0:
            return self.upwards()
        return self

    def upwards(self) -> Stretch:
        """Return the stretch with more above, and at most as much as may be."""
        first = max(0, self.first - STEP)
        return Stretch(first, min(self.last, first + MOST))


def leap(stretch: Stretch, total: int, spacer: float, under: float) -> tuple[Stretch, float]:
    """Return the stretch to draw, and the spacer below it, where the view lies in the spacer.

    `under` is how much room the spacer takes below what is to be drawn.
    """
    left_out = total - stretch.last
    skipped = max(0, min(left_out, int(under / spacer * left_out)))
    last = total - skipped
    return Stretch(max(0, last - FIRST), last), spacer * skipped / left_out


def settled(spacer: float, shift: float, *, at_end: bool) -> tuple[float, float]:
    """Return the spacer that undoes a `shift` of what is read (down is positive), and the rest.

    The rest is by how much to scroll besides (up is negative): a spacer cannot be smaller than
    nothing, and `at_end`, with nothing left out below, there is none.
    """
    wanted = spacer + shift
    room = 0.0 if at_end else max(0.0, wanted)
    return room, wanted - room

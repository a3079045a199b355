"""Which words of two texts differ, for a person who compares them.

The shortest way from one text to the other by insertions and deletions (E. W. Myers, "An O(ND)
Difference Algorithm and Its Variations", 1986), of which the cost grows with the number of
differing words. It is bounded: texts that have little in common differ as a whole, in between what
both begin and end with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

MAX_EDITS = 200
"""Words taken out and put in past which no more is looked for: some 20,000 steps."""

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class Span:
    """A piece of a text, and whether the other text has it in this place."""

    text: str
    changed: bool


def compare(one: str, other: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Return both texts in spans, which together are the whole text: kept and changed by turns."""
    a, b = _TOKEN.findall(one), _TOKEN.findall(other)
    pairs = _common(a, b)
    return _spans(a, {i for i, _ in pairs}), _spans(b, {j for _, j in pairs})


def _spans(tokens: Sequence[str], kept: set[int]) -> tuple[Span, ...]:
    """Return tokens in spans; white space alone between changed words counts as changed."""
    last = len(tokens) - 1
    changed = [
        place not in kept
        or (token.isspace() and 0 < place < last and not {place - 1, place + 1} & kept)
        for place, token in enumerate(tokens)
    ]
    by_turns = groupby(zip(tokens, changed, strict=True), key=lambda pair: pair[1])
    return tuple(Span("".join(token for token, _ in run), flag) for flag, run in by_turns)


def _common(a: Sequence[str], b: Sequence[str]) -> Pairs:
    """Return the places of the tokens that both have, in the same order."""
    start, shorter = 0, min(len(a), len(b))
    while start < shorter and a[start] == b[start]:
        start += 1
    end = 0
    while end < shorter - start and a[-1 - end] == b[-1 - end]:
        end += 1
    middle = _shortest_edit(a[start : len(a) - end], b[start : len(b) - end])
    pairs = [(i, i) for i in range(start)]
    pairs += [(start + i, start + j) for i, j in middle]
    return pairs + [(len(a) - i, len(b) - i) for i in range(end, 0, -1)]


def _shortest_edit(a: Sequence[str], b: Sequence[str]) -> Pairs:
    """Return the pairs that the shortest edit keeps, or none where it is too long to be found."""
    furthest, trace = {1: 0}, list[dict[int, int]]()
    for edits in range(min(len(a) + len(b), MAX_EDITS) + 1):
        trace.append(dict(furthest))
        for diagonal in range(-edits, edits + 1, 2):
            i = _step(furthest, diagonal, edits)
            while i < len(a) and i - diagonal < len(b) and a[i] == b[i - diagonal]:
                i += 1
            furthest[diagonal] = i
            if i >= len(a) and i - diagonal >= len(b):
                return _walked_back(trace, len(a), len(b))
    return []


def _step(furthest: dict[int, int], diagonal: int, edits: int) -> int:
    """Return how far one more edit gets on a diagonal: an insertion, or a deletion."""
    down = furthest.get(diagonal + 1, -1)
    right = furthest.get(diagonal - 1, -1)
    if diagonal == -edits or (diagonal != edits and right < down):
        return down
    return right + 1


def _walked_back(trace: list[dict[int, int]], i: int, j: int) -> Pairs:
    pairs: Pairs = []
    for edits in range(len(trace) - 1, -1, -1):
        furthest = trace[edits]
        diagonal = i - j
        start = _step(furthest, diagonal, edits)
        while i > start:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        if edits:
            came_down = diagonal == -edits or (
                diagonal != edits
                and furthest.get(diagonal - 1, -1) < furthest.get(diagonal + 1, -1)
            )
            i, j = (i, j - 1) if came_down else (i - 1, j)
    return pairs[::-1]

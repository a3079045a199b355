"""Which entries stand together in a block of the list, so that only blocks near are drawn. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

SIZE = 10
"""Entries in a block: about what a screen shows."""


def blocks_of(seqs: Iterable[int], starts: Iterable[int], size: int = SIZE) -> dict[int, list[int]]:
    """Return ascending `seqs` in blocks, by where each block starts; blocks of before keep theirs.

    So an entry never moves to another block: where some leave, their block only gets shorter, and
    what comes behind fills up the last one, and then new ones.
    """
    bounds = sorted(starts)
    blocks: dict[int, list[int]] = {}
    for seq in seqs:
        bounds = bounds or [seq]
        start = bounds[max(0, bisect_right(bounds, seq) - 1)]
        if start == bounds[-1] and len(blocks.get(start, ())) >= size:
            bounds.append(start := seq)
        blocks.setdefault(start, []).append(seq)
    return blocks

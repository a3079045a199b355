"""How many event streams are open, and whether one more may be: each holds a connection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager


class Streams:
    """Places for streams: so many for one owner, so many in all. Used on the event loop only.

    `on_change` is told how many are open whenever that changes.
    """

    def __init__(self, most_each: int, most: int) -> None:
        self._most_each = most_each
        self._most = most
        self._open: Counter[Hashable] = Counter()
        self.on_change: Callable[[int], object] = lambda _count: None

    @property
    def count(self) -> int:
        """How many are open."""
        return self._open.total()

    @contextmanager
    def place(self, owner: Hashable) -> Iterator[bool]:
        """Hold a place for as long as the context lasts; yields whether there was one."""
        if self._open[owner] >= self._most_each or self.count >= self._most:
            yield False
            return
        self._open[owner] += 1
        self.on_change(self.count)
        try:
            yield True
        finally:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]
            self.on_change(self.count)

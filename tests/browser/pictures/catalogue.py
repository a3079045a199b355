"""Which pictures there are: what each state is pictured on. Data alone, held complete by a test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Scheme = Literal["light", "dark"]

SIZES = {360: 740, 1280: 800}
"""Width and height of the window in pixels: a phone, and a desktop."""
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
STATES: dict[str, tuple[str, ...]] = {
    "loading": ("messages", "notes", "outbox", "settings"),
    "slow": ("messages",),
    "broken": ("messages",),
    "empty": ("messages", "notes", "note", "outbox"),
    "synced": ("messages", "notes", "note", "settings", "status"),
    "offline": ("messages", "notes", "note", "outbox", "settings", "status"),
    "failed": ("messages", "notes", "note", "outbox", "status"),
    "conflict": ("notes", "note", "merge", "outbox", "status"),
    "error": ("messages", "outbox", "status"),
    "memory": ("messages", "notes", "outbox", "settings", "status"),
}
"""The routes that a state is pictured on. `note` is a note that is open (its conflict card, where
it is in conflict), `merge` the form of that card, and `status` the popover of the header."""
ALIKE = {
    ("settings", "empty"): "synced",
    ("outbox", "synced"): "empty",
    ("settings", "failed"): "offline",
    ("messages", "conflict"): "synced",
    ("settings", "conflict"): "offline",
    ("notes", "error"): "offline",
    ("settings", "error"): "synced",
}
"""Views that are not pictured in a state, since they look as in another: which one."""
EVERYWHERE = ("slow", "broken")
"""States in which one panel covers whatever view there is."""


@dataclass(frozen=True)
class Picture:
    """A route in a state, at a width and in a theme."""

    route: str
    state: str
    width: int
    scheme: Scheme

    @property
    def is_phone(self) -> bool:
        """Whether the window is a phone's, whose scroll bars take no room."""
        return self.width < 600

    @property
    def name(self) -> str:
        """The picture's file name."""
        return f"{self.route}-{self.state}-{self.width}-{self.scheme}.webp"


def of(state: str, route: str) -> Iterator[Picture]:
    """Give the pictures of one route in one state."""
    for width in SIZES:
        for scheme in SCHEMES:
            yield Picture(route, state, width, scheme)


def pictures() -> Iterator[Picture]:
    """Give all pictures."""
    for state, routes in STATES.items():
        for route in routes:
            yield from of(state, route)

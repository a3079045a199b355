"""The page's addresses: which view, and which item of it. Pure, so that it is tested anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

VIEWS = ("messages", "notes", "outbox", "settings")
TITLES = {"messages": "Messages", "notes": "Notes", "outbox": "Outbox", "settings": "Settings"}

_ROUTE = re.compile(r"#/([a-z]+)(?:/([A-Za-z0-9_-]{1,64}))?/?\Z")


@dataclass(frozen=True)
class Route:
    """A view, and the item in it that is open, if any."""

    view: str = "messages"
    item: str | None = None

    @property
    def address(self) -> str:
        """The fragment of the page's address."""
        return f"#/{self.view}" + (f"/{self.item}" if self.item else "")


def parse_route(fragment: str) -> Route:
    """Return the route that an address's fragment names; messages where it names none."""
    found = _ROUTE.match(fragment)
    if found is None or found[1] not in VIEWS:
        return Route()
    return Route(found[1], found[2])


def page_title(view: str, unread: int) -> str:
    """Return the title of the page: how many messages nobody has seen, and where the person is."""
    count = f"({unread:,}) " if unread else ""
    return f"{count}{TITLES[view]} · Driftline"

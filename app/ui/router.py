"""The router: shows the view that the address names, and tells the pages when theirs is entered."""

from __future__ import annotations

from typing import Any

from js import document, location, window

from app.sync.stores import Readable, Writable
from app.ui.dom import on, part, set_text
from app.ui.routes import Route, page_title, parse_route


class Router:
    """Follows the address for the life of the page; `route` is observable.

    `data-route` of the root element decides what the style sheet shows; `early.js` sets it
    before anything is painted.
    """

    def __init__(self) -> None:
        self._route: Writable[Route] = Writable(parse_route(location.hash))
        self._nav = part(document, "nav")
        self._unread = 0
        on(window, "hashchange", self._changed)

    @property
    def route(self) -> Readable[Route]:
        """Where the person is."""
        return self._route

    def enable(self) -> None:
        """Show the view that the address names, from now on."""
        self._route.subscribe(self._show)

    def go(self, route: Route) -> None:
        """Open a route, as a tap on a link does."""
        location.hash = route.address

    def set_unread(self, count: int) -> None:
        """Show, in the title and beside the tab, how many messages nobody has seen yet."""
        self._unread = count
        document.title = page_title(self._route.get().view, count)
        badge = part(self._nav, "unread")
        badge.hidden = not count
        set_text(part(badge, "count"), f"{count:,}")

    def _changed(self, _event: Any) -> None:
        self._route.set(parse_route(location.hash))

    def _show(self, route: Route) -> None:
        document.documentElement.dataset.route = route.view
        document.title = page_title(route.view, self._unread)
        for tab in self._nav.querySelectorAll("a"):
            if tab.getAttribute("href") == f"#/{route.view}":
                tab.setAttribute("aria-current", "page")
            else:
                tab.removeAttribute("aria-current")

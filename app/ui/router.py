"""The router: shows the view that the address names, and tells the pages when theirs is entered."""

from __future__ import annotations

from typing import Any

from js import document, location, window

from app.sync.stores import Readable, Writable
from app.ui.dom import on, part
from app.ui.routes import TITLES, Route, parse_route


class Router:
    """Follows the address for the life of the page; `route` is observable.

    `data-route` of the root element decides what the style sheet shows; the boot shim sets it
    before Python is there.
    """

    def __init__(self) -> None:
        self._route: Writable[Route] = Writable(parse_route(location.hash))
        self._nav = part(document, "nav")
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

    def _changed(self, _event: Any) -> None:
        self._route.set(parse_route(location.hash))

    def _show(self, route: Route) -> None:
        document.documentElement.dataset.route = route.view
        document.title = f"{TITLES[route.view]} · Driftline"
        for tab in self._nav.querySelectorAll("a"):
            if tab.getAttribute("href") == f"#/{route.view}":
                tab.setAttribute("aria-current", "page")
            else:
                tab.removeAttribute("aria-current")

"""What a browser context does behind the page: every request, every error."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError

NETWORK_FAILURE = re.compile(
    r"net::ERR_(INTERNET_DISCONNECTED|CONNECTION_(REFUSED|RESET|CLOSED)|EMPTY_RESPONSE"
    r"|INCOMPLETE_CHUNKED_ENCODING|FAILED|ABORTED|NETWORK_CHANGED|NETWORK_IO_SUSPENDED"
    r"|SOCKET_NOT_CONNECTED)"
)
"""What Chromium says by itself about a request that met no network or no server."""


class Watch:
    """Records the requests, console errors and exceptions of all pages and workers of a context.

    `problems()` is asked at the end of every test. `allow` lists patterns of console lines that
    the test provokes; failures of the network count as provoked where `cut_off()` says so.
    """

    def __init__(self, context: BrowserContext, origin: str, cut_off: Callable[[], bool]) -> None:
        self.origin = origin
        self.origins = {origin}
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.allow: list[str] = []
        self.went_offline = False
        self._cut_off = cut_off
        self._context = context
        self._listeners: dict[Any, Callable[[Any], None]] = {
            "request": self._requested,
            "console": self._said,
            "weberror": self._raised,
            "page": lambda page: page.on("websocket", lambda s: self.requests.append(s.url)),
        }
        for event, listener in self._listeners.items():
            context.on(event, listener)

    def end(self) -> None:
        """Watch no longer: the context is another test's now."""
        for event, listener in self._listeners.items():
            self._context.remove_listener(event, listener)

    def foreign_requests(self) -> list[str]:
        """Return the addresses outside the page's own origin that were asked for, in vain or not.

        `data:` and `blob:` addresses stay inside the page.
        """
        outside = (url for url in self.requests if urlsplit(url).scheme not in ("data", "blob"))
        return [url for url in outside if origin_of(url) not in self.origins]

    def problems(self) -> list[str]:
        """Return what no test may cause: foreign requests, exceptions, console errors."""
        foreign = [f"request to a foreign host: {url}" for url in self.foreign_requests()]
        return foreign + [line for line in self.errors if not self._expected(line)]

    def _expected(self, line: str) -> bool:
        provoked = self.went_offline or self._cut_off()
        if provoked and NETWORK_FAILURE.search(line):
            return True
        return any(re.search(pattern, line) for pattern in self.allow)

    def _requested(self, request: Request) -> None:
        self.requests.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"console error: {message.text} ({message.location['url']})")

    def _raised(self, error: WebError) -> None:
        self.errors.append(f"exception in the page: {error.error}")


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

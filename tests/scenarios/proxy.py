"""Something between a device and the real server that answers some requests itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from app.ports import HttpResponse
from tests.fakes import Server

Intercept = Callable[[list[dict[str, Any]], str], HttpResponse | None]
"""Gets the actions and the body of a sync request; what it returns, or raises, is the answer."""


def page(status: int, **headers: str) -> HttpResponse:
    """Return an answer as a proxy gives it: a page."""
    fields = {"content-type": "text/html", **headers}
    return HttpResponse(status, f"<h1>{status}</h1>", fields)


class Proxy:
    """The real server behind a proxy, which lets every probe through.

    `pushed` holds the item ids of each push that came, also of those that came no further.
    """

    def __init__(self, server: Server, intercept: Intercept) -> None:
        self._server = server
        self.intercept = intercept
        self.pushed: list[list[str]] = []
        self.sizes: list[int] = []

    def __call__(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        if method != "POST" or body is None:
            return self._server(method, url, body, headers)
        actions = json.loads(body).get("actions", [])
        if actions:
            self.pushed.append([action["item_id"] for action in actions])
            self.sizes.append(len(body.encode()))
        return self.intercept(actions, body) or self._server(method, url, body, headers)

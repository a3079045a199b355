"""A small REST API that knows nothing of Driftline: collections of plain objects with tags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from app.ports import HttpResponse
from tests.fakes import json_answer

Data = dict[str, Any]
LIMIT = 64 * 1024


class PlainApi:
    """Keeps what it is sent. `effects` counts what changed anything.

    With `keys` it knows `Idempotency-Key`; with `rows` it answers 409 with the item as it stands,
    else 412 with nothing; with `echo` it answers writes with the item.
    """

    def __init__(self, *, keys: bool = True, rows: bool = True, echo: bool = True) -> None:
        self.collections: dict[str, dict[str, Data]] = {"jobs": {}, "messages": {}}
        self.effects = 0
        self.page: int | None = None
        self._keys = keys
        self._rows = rows
        self._echo = echo
        self._answers: dict[str, HttpResponse] = {}

    def __call__(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        key = headers.get("Idempotency-Key")
        if key is not None and self._keys and key in self._answers:
            return self._answers[key]
        _, _, name, *rest = urlsplit(url).path.split("/")
        if name not in self.collections:
            return problem(404, "No such collection.")
        items = self.collections[name]
        if method == "GET" and not rest:
            return self._list(items, urlsplit(url).query, headers)
        answer = self._one(items, method, rest[0] if rest else None, body, headers)
        if key is not None:
            self._answers[key] = answer
        return answer

    def _list(
        self, items: Mapping[str, Data], query: str, headers: Mapping[str, str]
    ) -> HttpResponse:
        tag = tag_of(items)
        if headers.get("If-None-Match") == tag:
            return HttpResponse(304, "", {"etag": tag})
        held = list(items.values())
        if self.page is None:
            return json_answer(200, held, etag=tag)
        start = int(query.partition("page=")[2] or 0)
        shown, more = held[start : start + self.page], start + self.page < len(held)
        link = {"link": f'<?page={start + self.page}>; rel="next"'} if more else {}
        return json_answer(200, {"items": shown}, etag=tag_of(shown), **link)

    def _one(
        self,
        items: dict[str, Data],
        method: str,
        item_id: str | None,
        body: str | None,
        headers: Mapping[str, str],
    ) -> HttpResponse:
        data: Data = json.loads(body or "{}")
        item_id = item_id or data["id"]
        current = items.get(item_id)
        if body is not None and len(body) > LIMIT:
            return problem(413, "That is too much.")
        if any(word in (body or "") for word in ("forbidden", "unheard of")):
            return problem(422, "No.", errors=[{"pointer": "#/title", "detail": "is forbidden"}])
        if method == "POST" and current is not None:
            return self._stale(current)
        if method != "POST" and current is None:
            return problem(404, "There is no such item.")
        wanted = headers.get("If-Match")
        if current is not None and wanted is not None and wanted != tag_of(current):
            return self._stale(current)
        if method == "GET":
            return json_answer(200, current, etag=tag_of(current))
        self.effects += 1
        if method == "DELETE":
            del items[item_id]
            return HttpResponse(204, "", {})
        item = items[item_id] = {"id": item_id, **data, "revised": self.effects}
        status = 201 if method == "POST" else 200
        if not self._echo:
            return HttpResponse(204, "", {})
        return json_answer(status, item, etag=tag_of(item))

    def _stale(self, current: Data) -> HttpResponse:
        if not self._rows:
            return HttpResponse(412, "", {})
        return json_answer(409, current, etag=tag_of(current))


def tag_of(value: Any) -> str:
    """Return an entity tag for a value."""
    return f'"{sha256(json.dumps(value).encode()).hexdigest()[:16]}"'


def problem(status: int, title: str, **members: Any) -> HttpResponse:
    """Return an error in the form of RFC 9457."""
    body = json.dumps({"type": "about:blank", "title": title, "status": status, **members})
    return HttpResponse(status, body, {"content-type": "application/problem+json"})

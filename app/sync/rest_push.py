"""Carrying out one action as one REST request: what its function does to the item says which."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from app.core.actions import Data, Registry
from app.core.entry import Entry
from app.core.resolutions import COLLECTION as RESOLUTIONS
from app.errors import NotFound, Refused, Rejected
from app.ports import Clock, Http, HttpResponse
from app.protocol import Action, Problem, Result, Row
from app.sync.rest_items import body_of, current_in, problem_in, refused, row_in
from app.sync.transport import SYNC_TIMEOUT, not_our_server

WAITING = frozenset({401, 408, 425, 426, 429})
"""Refusals that are not about the change: it is sent again, by the engine's rules."""
STALE = (409, 412)
GONE = (404, 410)
NO_COLLECTION = (404, 405)
"""Answers to a record of a resolution where the API keeps no history: it is let go."""
ATTEMPTS = 3
"""How often a change that is right whatever the item looks like is made anew on what is there."""
BUSY = 30.0
"""Seconds to wait where a conflict is about nothing that is there: a request under the same key may
be at work."""


@dataclass(frozen=True)
class Carried:
    """The verdict on an action, and whether it took effect on just what it was based on."""

    result: Result
    on_base: bool = False


@dataclass(frozen=True)
class Change:
    """What an action amounts to: the item's `data` as it is to be, based on `base`."""

    action: Action
    base: Data | None
    data: Data | None
    match: str | None = None
    again: bool = False

    @property
    def method(self) -> str:
        """The request's method."""
        if self.data is None:
            return "DELETE"
        return "POST" if self.base is None else "PUT"

    @property
    def headers(self) -> dict[str, str]:
        """The key under which a resend has one effect, and what the item has to be like."""
        key = self.action.id
        if self.again:
            text = f"{self.match} {json.dumps(self.data, sort_keys=True)}"
            key = f"{key[:51]}-{sha256(text.encode()).hexdigest()[:12]}"
        return {"Idempotency-Key": key} | ({"If-Match": self.match} if self.match else {})

    def is_in(self, data: Data) -> bool:
        """Tell whether an item has all that the action changes."""
        base, wanted = self.base or {}, self.data
        if wanted is None:
            return False
        return all(data.get(k) == v for k, v in wanted.items() if k not in base or base[k] != v)


class RestPush:
    """Sends actions one by one to the API at `api_url`."""

    def __init__(self, http: Http, clock: Clock, registry: Registry, api_url: str) -> None:
        self._http = http
        self._clock = clock
        self._registry = registry
        self._api_url = api_url

    async def carry_out(self, entry: Entry, version: int, tagged: bool) -> Carried:
        """Send one action; returns its verdict.

        `version` is for items of which the API does not say one; `tagged` says that the tag of an
        item is the version of its row. Raises `TransportError` where there is no verdict.
        """
        action = entry.parsed()
        base = entry.base if entry.base is None else self._seen(entry.collection, entry.base)
        try:
            data = self._after(base, action)
        except (NotFound, Rejected) as error:
            return _refusal(action, error)
        change = Change(action, base, data)
        if change.method == "POST":
            return await self._send(change, version)
        if tagged and action.base_version is not None:
            return await self._send(_matching(change, f'"{action.base_version}"'), version)
        return await self._compare(change, version)

    async def _compare(self, change: Change, version: int, attempts: int = ATTEMPTS) -> Carried:
        """Send a change where the item is as it expects; of its tag nothing is known before."""
        current, tag = await self._read(change, version)
        if current is None or current.data is None:
            return self._missing(change, version)
        if self._seen(current.collection, current.data) != change.base:
            return await self._stale(change, current, tag, version, attempts)
        return await self._send(_matching(change, tag), version, attempts)

    async def _send(self, change: Change, version: int, attempts: int = ATTEMPTS) -> Carried:
        action = change.action
        response = await self._request(change.method, change)
        body, status = body_of(response, self._clock.now()), response.status
        if 200 <= status < 300:
            row = self._result(change, body, version)
            return Carried(Result(id=action.id, verdict="applied", row=row), not change.again)
        if status in GONE and change.method == "DELETE":
            return self._missing(change, version)
        if status in STALE:
            current, tag = (
                current_in(body, action.collection, version),
                response.headers.get("etag"),
            )
            if current is None:
                current, tag = await self._read(change, version)
            if current is not None:
                return await self._stale(change, current, tag, version, attempts)
            if change.method != "POST":
                return self._missing(change, version)
            said = problem_in(status, body).message
            raise Refused(503, "busy", said, retry_after=BUSY)
        if status in WAITING or status >= 500:
            raise refused(response, body, self._clock.now())
        if status < 400:
            not_our_server(response, self._clock.now())
        if status in NO_COLLECTION and action.collection == RESOLUTIONS:
            return Carried(Result(id=action.id, verdict="applied"))
        return _rejected(action, problem_in(status, body))

    async def _stale(
        self, change: Change, current: Row, tag: str | None, version: int, attempts: int
    ) -> Carried:
        """Settle a change of an item that others have changed; theirs is never overwritten.

        Where all of the change is there already, an answer to it was lost, or others did the same.
        """
        action, theirs = change.action, current.data
        if theirs is not None:
            theirs = self._seen(action.collection, theirs)
            if change.is_in(theirs):
                row = Result(id=action.id, verdict="applied", row=current)
                return Carried(row, theirs == change.data)
        checks = self._registry.get(action.type).checks_version
        if theirs is not None and change.base is not None and not checks and attempts > 1:
            try:
                data = self._after(theirs, action)
            except (NotFound, Rejected) as error:
                return _refusal(action, error)
            anew = Change(action, theirs, data, tag, again=True)
            go_on = self._compare if tag is None else self._send
            return await go_on(anew, version, attempts - 1)
        return Carried(Result(id=action.id, verdict="conflict", row=current))

    async def _read(self, change: Change, version: int) -> tuple[Row | None, str | None]:
        """Return the item as it stands, and its tag."""
        response = await self._request("GET", change)
        now = self._clock.now()
        body = body_of(response, now)
        if response.status in GONE:
            return None, None
        if response.status != 200:
            raise refused(response, body, now)
        row = row_in(body, change.action.collection, version)
        return (row, response.headers.get("etag")) if row else not_our_server(response, now)

    async def _request(self, method: str, change: Change) -> HttpResponse:
        action = change.action
        url = f"{self._api_url}/{action.collection}"
        body: Mapping[str, Any] | None = change.data
        if method == "POST":
            body = {"id": action.item_id, **(change.data or {})}
        else:
            url = f"{url}/{action.item_id}"
        if method in ("GET", "DELETE"):
            body = None
        headers = {} if method == "GET" else change.headers
        text = None if body is None else json.dumps(body)
        return await self._http(method, url, text, headers=headers, timeout=SYNC_TIMEOUT)

    def _result(self, change: Change, body: Any, version: int) -> Row:
        """Return the row that a change led to: the answer's, else what was sent."""
        action = change.action
        row = row_in(body, action.collection, version)
        if row is not None and row.id == action.item_id and change.data is not None:
            return row
        return Row(
            collection=action.collection,
            id=action.item_id,
            version=max(version, (action.base_version or 0) + 1),
            data=change.data,
            deleted=change.data is None,
            updated_at=self._clock.now() * 1000,
            updated_by="",
        )

    def _missing(self, change: Change, version: int) -> Carried:
        """Settle a change of an item that is not there: deleting it succeeds."""
        action = change.action
        if change.data is None:
            row = self._result(change, None, version)
            return Carried(Result(id=action.id, verdict="applied", row=row), on_base=True)
        message = "The item does not exist any more."
        return _rejected(action, Problem(code="not_found", message=message))

    def _after(self, data: Data | None, action: Action) -> Data | None:
        """Return what an action makes of an item; raises `NotFound` or `Rejected`.

        A defect of its function is the action's alone, and so is data that cannot be sent.
        """
        try:
            after = self._registry.attempt(data, action)
            json.dumps(after)
        except (TypeError, ValueError, RecursionError):
            raise Rejected("failed", "What this change makes of the item is no JSON.") from None
        return after

    def _seen(self, collection: str, data: Data) -> Data:
        """Return what the collection's model knows of an item; APIs add fields of their own."""
        model = self._registry.model(collection)
        if model is None or model.model_config.get("extra") == "allow":
            return data
        return {name: data[name] for name in model.model_fields if name in data}


def _matching(change: Change, tag: str | None) -> Change:
    return replace(change, match=tag)


def _refusal(action: Action, error: NotFound | Rejected) -> Carried:
    """Return the verdict on an action that its own function refuses, or that has none here."""
    if isinstance(error, NotFound):
        return _rejected(action, Problem(code="unknown_type", message=str(error)))
    problem = Problem(code=error.code, message=str(error), fields=error.fields)
    return _rejected(action, problem)


def _rejected(action: Action, problem: Problem) -> Carried:
    return Carried(Result(id=action.id, verdict="rejected", error=problem))

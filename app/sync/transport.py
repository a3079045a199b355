"""Talking to the sync server: one request in, its answer or a `TransportError` out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NoReturn, Protocol

from pydantic import ValidationError

from app.core.backoff import parse_retry_after
from app.core.entry import Entry
from app.errors import Refused, TransportError, Unreachable
from app.ports import Clock, Http, HttpResponse
from app.protocol import (
    PROTOCOL,
    Action,
    ErrorResponse,
    Problem,
    Result,
    Row,
    SyncRequest,
    SyncResponse,
    Wire,
)

SYNC_TIMEOUT = 30.0
PULL_ROWS = 200
"""Rows of a page: what a phone takes in between two key strokes, so that typing never waits."""
FIRST_ROWS = 50
"""Rows of the first page; each next one is twice as large. What runs for the first time, while the
browser is still compiling it, takes several times as long."""
MODELS = Problem, Action, Row, Result, SyncRequest, SyncResponse
"""What a request and its answer are made of, the parts first."""
PROBE_TIMEOUT = 10.0
OTHER_CURSOR = "{"
"""How cursors of `RestTransport` begin: after a change of the transport all is pulled anew."""
NO_ENDPOINT = (404, 405)
"""Answers of something that has no sync endpoint here, and so says nothing of our actions."""
TOO_LARGE = 413
"""The one answer of a proxy that is about what was sent, also where it is a page."""
BUSY = (408, 425, 429)
"""Answers that say when to come back, as do those of 500 and more; also where they are a page."""


@dataclass(frozen=True)
class Push:
    """What is to be sent, in order, and from which cursor on is to be pulled."""

    client_id: str
    cursor: str | None
    settled_through: int
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Answer:
    """What came of a push and pull.

    An entry without a result was not carried out, as far as is known here; it is sent again under
    its id. `broke_off` is what ended it before all was done; where that was an error status,
    `refused` is the entry whose request got it. `on_base` names the applied actions after which
    those behind them are to be based on what came of them: none of those was ever sent. `begun`
    holds the ids of the actions that were sent at all, where they are sent one by one.
    """

    response: SyncResponse
    broke_off: TransportError | None = None
    refused: Entry | None = None
    on_base: frozenset[str] = frozenset()
    begun: frozenset[str] | None = None

    def judged(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return those of the entries that got a verdict."""
        ids = {result.id for result in self.response.results}
        return [entry for entry in entries if entry.id in ids]

    def untouched(self, entries: Iterable[Entry]) -> frozenset[str]:
        """Return the ids of those without a verdict of which it is certain that they did not run.

        They were not begun, or their request was refused in a way that says so.
        """
        if self.begun is None:
            return frozenset()
        error, refused = self.broke_off, self.refused
        certain = isinstance(error, Refused) and refused is not None and error.had_no_effect
        doubtful = self.begun - ({refused.id} if refused is not None and certain else set())
        return frozenset(entry.id for entry in entries) - doubtful


class _Health(Wire):
    """What a Driftline server says of itself, as far as a probe looks at it."""

    status: Literal["ok"]


class Transport(Protocol):
    """The engine's way to the server.

    Both raise `Unreachable` where no answer of our server came, `Refused` where it was an error;
    `sync` does so only where it got no verdict before that.
    """

    async def sync(self, push: Push) -> Answer: ...

    async def probe(self) -> None: ...


class BatchTransport:
    """Push and pull in one `POST /api/sync`; `api_url` is the API's address without the path."""

    def __init__(self, http: Http, clock: Clock, api_url: str) -> None:
        self._http = http
        self._clock = clock
        self._api_url = api_url.rstrip("/")
        self._rows = FIRST_ROWS

    async def sync(self, push: Push) -> Answer:
        for model in MODELS:
            if model.model_rebuild():
                await asyncio.sleep(0)  # together they would keep the browser from painting
        url = f"{self._api_url}/sync"
        others = (push.cursor or "").startswith(OTHER_CURSOR)
        body = render_request(replace(push, cursor=None) if others else push, self._rows)
        response = await self._http("POST", url, body, timeout=SYNC_TIMEOUT)
        answered = interpret(response, self._clock.now())
        self._rows = min(PULL_ROWS, 2 * self._rows)
        return Answer(answered.model_copy(update={"reset": True}) if others else answered)

    async def probe(self) -> None:
        response = await self._http("GET", f"{self._api_url}/health", timeout=PROBE_TIMEOUT)
        now = self._clock.now()
        if not _is_json(response):
            not_our_server(response, now)
        if response.status != 200:
            refuse(response, now)
        try:
            _Health.model_validate_json(response.body)
        except ValidationError:
            not_our_server(response, now)


def render_request(push: Push, rows: int = PULL_ROWS) -> str:
    """Return the request's body; the entries' actions go in as the JSON they were stored as."""
    head = SyncRequest(
        protocol=PROTOCOL,
        client_id=push.client_id,
        cursor=push.cursor,
        settled_through=push.settled_through,
        limit=rows,
    ).model_dump_json(exclude={"actions"})
    return f'{head[:-1]},"actions":[{",".join(entry.action for entry in push.entries)}]}}'


def interpret(response: HttpResponse, now: int) -> SyncResponse:
    """Return the answer to a sync request; `now` is in milliseconds since the epoch.

    Whatever is not a Driftline answer (a captive portal's page, a proxy's error, a static host)
    counts as no answer: raises `Unreachable`. An error status of our server raises `Refused`, and
    so does a 413 of whoever stands before it.
    """
    if response.status == TOO_LARGE:
        refuse(response, now)
    if not _is_json(response) or response.status in NO_ENDPOINT:
        not_our_server(response, now)
    if response.status != 200:
        refuse(response, now)
    try:
        return SyncResponse.model_validate_json(response.body)
    except ValidationError:
        not_our_server(response, now)


def refuse(response: HttpResponse, now: int) -> NoReturn:
    """Raise the `Refused` that an error answer stands for, or `Unreachable` if it is not ours."""
    try:
        problem = ErrorResponse.model_validate_json(response.body).error
    except ValidationError:
        if response.status != TOO_LARGE:
            not_our_server(response, now)
        message = "Something on the way to the server takes no request of this size."
        problem = Problem(code="too_large", message=message)
    raise Refused(
        response.status,
        problem.code,
        problem.message,
        fields=problem.fields,
        retry_after=parse_retry_after(response.headers.get("retry-after"), now),
    )


def not_our_server(response: HttpResponse | None = None, now: int = 0) -> NoReturn:
    """Raise the `Unreachable` for an answer that did not come from a Driftline server.

    A proxy's page says, like our server, when to come back to a server that is in trouble.
    """
    wait = None
    if response is not None and (response.status in BUSY or response.status >= 500):
        wait = parse_retry_after(response.headers.get("retry-after"), now)
    message = "Something answered, but it is not a Driftline server."
    raise Unreachable(message, answered=True, retry_after=wait)


def _is_json(response: HttpResponse) -> bool:
    content_type = response.headers.get("content-type", "").partition(";")[0]
    return content_type.strip().lower() == "application/json"

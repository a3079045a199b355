"""Talking to the sync server: one request in, its answer or a `TransportError` out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn, Protocol

from pydantic import ValidationError

from app.core.backoff import parse_retry_after
from app.core.entry import Entry
from app.errors import Refused, Unreachable
from app.ports import Clock, Http, HttpResponse
from app.protocol import MAX_PULL_ROWS, PROTOCOL, ErrorResponse, SyncRequest, SyncResponse

SYNC_TIMEOUT = 30.0
PROBE_TIMEOUT = 10.0
NO_ENDPOINT = (404, 405)
"""Answers of something that has no sync endpoint here, and so says nothing of our actions."""


class Transport(Protocol):
    """The engine's way to the server.

    Both raise `Unreachable` where no answer of our server came, `Refused` where it was an error.
    """

    async def sync(self, body: str) -> SyncResponse: ...

    async def probe(self) -> None: ...


class BatchTransport:
    """Push and pull in one `POST /api/sync`; `api_url` is the API's address without the path."""

    def __init__(self, http: Http, clock: Clock, api_url: str) -> None:
        self._http = http
        self._clock = clock
        self._api_url = api_url.rstrip("/")

    async def sync(self, body: str) -> SyncResponse:
        url = f"{self._api_url}/sync"
        response = await self._http("POST", url, body, timeout=SYNC_TIMEOUT)
        return interpret(response, self._clock.now())

    async def probe(self) -> None:
        response = await self._http("GET", f"{self._api_url}/health", timeout=PROBE_TIMEOUT)
        if not _is_json(response):
            not_our_server()
        if response.status != 200:
            refuse(response, self._clock.now())


def render_request(
    client_id: str, cursor: str | None, settled_through: int, entries: Sequence[Entry]
) -> str:
    """Return the request's body; the entries' actions go in as the JSON they were stored as."""
    head = SyncRequest(
        protocol=PROTOCOL,
        client_id=client_id,
        cursor=cursor,
        settled_through=settled_through,
        limit=MAX_PULL_ROWS,
    ).model_dump_json(exclude={"actions"})
    return f'{head[:-1]},"actions":[{",".join(entry.action for entry in entries)}]}}'


def interpret(response: HttpResponse, now: int) -> SyncResponse:
    """Return the answer to a sync request; `now` is in milliseconds since the epoch.

    Whatever is not a Driftline answer (a captive portal's page, a proxy's error, a static host)
    counts as no answer: raises `Unreachable`. An error status of our server raises `Refused`.
    """
    if not _is_json(response) or response.status in NO_ENDPOINT:
        not_our_server()
    if response.status != 200:
        refuse(response, now)
    try:
        return SyncResponse.model_validate_json(response.body)
    except ValidationError:
        not_our_server()


def refuse(response: HttpResponse, now: int) -> NoReturn:
    """Raise the `Refused` that an error answer stands for, or `Unreachable` if it is not ours."""
    try:
        problem = ErrorResponse.model_validate_json(response.body).error
    except ValidationError:
        not_our_server()
    raise Refused(
        response.status,
        problem.code,
        problem.message,
        fields=problem.fields,
        retry_after=parse_retry_after(response.headers.get("retry-after"), now),
    )


def not_our_server() -> NoReturn:
    """Raise the `Unreachable` for an answer that did not come from a Driftline server."""
    raise Unreachable("Something answered, but it is not a Driftline server.", answered=True)


def _is_json(response: HttpResponse) -> bool:
    content_type = response.headers.get("content-type", "").partition(";")[0]
    return content_type.strip().lower() == "application/json"

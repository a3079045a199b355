"""`GET /api/events`: server-sent events that poke the clients of a space."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from app.errors import InvalidInput
from app.protocol import ErrorResponse
from server.cursors import decode_cursor, encode_cursor
from server.history import History
from server.identity import Identity, current_identity
from server.problems import error_response
from server.services import Services, services_of

HEARTBEAT_SECONDS = 15
TRY_AGAIN_SECONDS = 30

router = APIRouter()


class _Limited(EventSourceResponse):
    """An event stream that is sent if there is a place for it, and holds that to its end."""

    def __init__(self, services: Services, identity: Identity, last_event_id: str | None) -> None:
        super().__init__(
            _changes(services, identity, last_event_id),
            ping=HEARTBEAT_SECONDS,
            ping_message_factory=lambda: ServerSentEvent(event="heartbeat", data="{}"),
        )
        self._services = services
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._services.streams.place(self._identity) as has_place:
            if has_place:
                return await super().__call__(scope, receive, send)
        message = "Too many event streams are open. Pull now and then until one can be opened."
        headers = {"Retry-After": str(TRY_AGAIN_SECONDS)}
        refusal = error_response(429, "too_many_streams", message, headers=headers)
        return await refusal(scope, receive, send)


@router.get(
    "/api/events",
    response_class=EventSourceResponse,
    responses={429: {"model": ErrorResponse, "description": "Too many streams are open."}},
    openapi_extra={
        "parameters": [
            {
                "name": "Last-Event-ID",
                "in": "header",
                "schema": {"type": "string"},
                "description": "The id of the last event that came; without it one comes at once.",
            }
        ]
    },
)
async def events(request: Request) -> EventSourceResponse:
    """Send `changed` with the newest cursor at once, and after every commit that changed rows.

    The id of an event is its cursor. A stream that comes back with the newest one as its
    `Last-Event-ID` has missed nothing, and hears of the next commit first.
    """
    last_event_id = request.headers.get("last-event-id")
    return _Limited(services_of(request), current_identity(request), last_event_id)


async def _changes(
    services: Services, identity: Identity, last_event_id: str | None
) -> AsyncIterator[ServerSentEvent]:
    with services.pokes.subscribe(identity.space_id) as subscription:
        # Read after subscribing, so that no commit falls in between.
        history = await services.history(identity)
        if _is_newest(last_event_id, history):
            subscription.know(history.newest)
        else:
            subscription.put(history.newest)
        while (version := await subscription.take()) is not None:
            cursor = encode_cursor(history.epoch, version)
            yield ServerSentEvent(event="changed", data=json.dumps({"cursor": cursor}), id=cursor)


def _is_newest(last_event_id: str | None, history: History) -> bool:
    try:
        cursor = decode_cursor(last_event_id)
    except InvalidInput:
        return False
    return cursor is not None and (cursor.epoch, cursor.version) == (history.epoch, history.newest)

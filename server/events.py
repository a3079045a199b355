"""`GET /api/events`: server-sent events that poke the clients of a space."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from server.cursors import encode_cursor
from server.identity import Identity, current_identity
from server.services import Services, services_of

HEARTBEAT_SECONDS = 15

router = APIRouter()


@router.get("/api/events", response_class=EventSourceResponse)
async def events(request: Request) -> EventSourceResponse:
    """Send `changed` with the newest cursor at once, and after every commit that changed rows."""
    return EventSourceResponse(
        _changes(services_of(request), current_identity(request)),
        ping=HEARTBEAT_SECONDS,
        ping_message_factory=lambda: ServerSentEvent(comment="heartbeat"),
    )


async def _changes(services: Services, identity: Identity) -> AsyncIterator[ServerSentEvent]:
    with services.pokes.subscribe(identity.space_id) as subscription:
        # Read after subscribing, so that no commit falls in between.
        history = await services.history(identity)
        subscription.put(history.newest)
        while (version := await subscription.take()) is not None:
            data = json.dumps({"cursor": encode_cursor(history.epoch, version)})
            yield ServerSentEvent(event="changed", data=data)

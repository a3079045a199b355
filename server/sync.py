"""`POST /api/sync`: push and pull in one round trip."""

from __future__ import annotations

from collections import Counter

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.protocol import (
    MAX_ACTION_BYTES,
    ErrorResponse,
    SyncRequest,
    SyncResponse,
)
from server.body import read_json_body
from server.cursors import decode_cursor
from server.exchange import Answer, Exchange
from server.identity import current_identity
from server.problems import RequestRefused, answer_to, invalid, is_unexpected
from server.services import services_of

PATH = "/api/sync"

router = APIRouter()

_ERRORS = {
    400: "The body is not JSON.",
    403: "Another site's page may not write.",
    413: "The body is larger than 1 MiB.",
    415: "The body is not declared as JSON.",
    422: "A field does not fit; `fields` says which.",
    503: "The database refused; the same again is safe.",
}


@router.post(
    PATH,
    response_model=SyncResponse,
    responses={
        status: {"model": ErrorResponse, "description": text} for status, text in _ERRORS.items()
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/SyncRequest"}}
            },
        }
    },
)
async def sync(request: Request) -> Response:
    """Run the pushed actions, each exactly once, and return what has changed since the cursor.

    Effects, receipts and versions are committed when the answer is sent. An action that is
    refused gets its own verdict; the others are carried out all the same.
    """
    identity = current_identity(request)
    asked = parse_request(await read_json_body(request))
    request.state.note = f" client={asked.client_id} actions={len(asked.actions)}"
    services = services_of(request)
    exchange = Exchange.of(services.registry, identity, asked, services.clock())
    if asked.actions:
        answered = await services.write(exchange)
    else:
        answered = await services.read(exchange)
    request.state.note += summary(answered)
    return Response(answered.text, media_type="application/json")


class Lane:
    """Around an app: takes exchanges past all that it does for a request, which costs as much.

    The route is there all the same, for the API's document and for every other method.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        (self._route,) = router.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != PATH or scope.get("method") != "POST":
            return await self._app(scope, receive, send)
        scope["route"] = self._route
        request = Request(scope, receive)
        try:
            response = await sync(request)
        except Exception as error:
            await (await answer_to(request, error))(scope, receive, send)
            if is_unexpected(error):
                raise  # to be logged
        else:
            await response(scope, receive, send)


def summary(answered: Answer) -> str:
    """Return an answer in numbers, for the log."""
    counts = [*sorted(Counter(answered.verdicts).items()), ("rows", answered.row_count)]
    return "".join(f" {name}={count}" for name, count in counts)


def parse_request(body: bytes) -> SyncRequest:
    """Return the request that `body` holds; raises `RequestRefused` naming what does not fit."""
    try:
        request = SyncRequest.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from None
    decode_cursor(request.cursor)
    fields: dict[str, str] = {}
    for index, action in enumerate(request.actions):
        if action.seq <= request.settled_through:
            fields[f"actions.{index}.seq"] = "is within settled_through"
        if len(body) > MAX_ACTION_BYTES and len(action.model_dump_json()) > MAX_ACTION_BYTES:
            fields[f"actions.{index}"] = f"is larger than {MAX_ACTION_BYTES:,} bytes"
    if fields:
        raise RequestRefused(422, "invalid", "Some fields are not valid.", fields)
    return request

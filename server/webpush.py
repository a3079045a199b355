"""`/api/push/…`: browsers that ask to be notified, and the key that they need for it."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import APIRouter, Request
from pydantic import Field, ValidationError
from starlette.responses import Response

from app.errors import InvalidInput
from app.protocol import ErrorResponse, Id, Wire
from server.body import read_json_body
from server.identity import current_identity
from server.problems import invalid
from server.services import services_of
from server.webpush_store import Subscription, subscribe, unsubscribe
from server.webpush_target import LONGEST, VISIBLE, parse_target

router = APIRouter(prefix="/api/push")
M = TypeVar("M", bound=Wire)

_KEY = r"^[A-Za-z0-9_-]{1,200}={0,2}$"
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse, "description": text}
    for status, text in {
        400: "The body is not JSON.",
        403: "Another site's page may not write.",
        413: "The body is larger than 1 MiB.",
        415: "The body is not declared as JSON.",
        422: "A field does not fit; `fields` says which.",
        503: "The database refused; the same again is safe.",
    }.items()
}


class PushKey(Wire):
    """The key that a browser is to give to its push service."""

    key: str


class PushKeys(Wire):
    """The keys that a browser made for one subscription."""

    p256dh: str = Field(pattern=_KEY)
    auth: str = Field(pattern=_KEY)


class PushSubscription(Wire):
    """What a browser's `PushSubscription.toJSON()` says, and which device it is of."""

    endpoint: str = Field(max_length=LONGEST, pattern=VISIBLE)
    keys: PushKeys
    client_id: Id


class Endpoint(Wire):
    """The address of a browser at its push service."""

    endpoint: str = Field(max_length=LONGEST, pattern=VISIBLE)


def _takes(model: type[Wire]) -> dict[str, Any]:
    """Return how the document describes a body that is read and checked here."""
    schema = model.model_json_schema()
    known = schema.pop("$defs", {})
    for name, field in schema["properties"].items():
        if "$ref" in field:
            schema["properties"][name] = known[field["$ref"].rpartition("/")[2]]
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


@router.get("/key", responses={503: _ERRORS[503]})
async def key(request: Request) -> PushKey:
    """Return this server's public key: a browser lets only its owner notify it."""
    return PushKey(key=services_of(request).webpush.signer.public_key)


@router.post(
    "/subscribe", status_code=204, responses=_ERRORS, openapi_extra=_takes(PushSubscription)
)
async def subscribe_browser(request: Request) -> Response:
    """Notify a browser of changes, until it is taken out or its push service knows it no more.

    The same again changes nothing; what another user had asked for with it ends.
    """
    asked = await _body(request, PushSubscription)
    services, identity = services_of(request), current_identity(request)
    parse_target(asked.endpoint, services.webpush.loopback)
    _check_keys(asked.keys)
    browser = Subscription(asked.endpoint, asked.keys.p256dh, asked.keys.auth, asked.client_id)
    now = services.clock()
    await services.change(lambda connection: subscribe(connection, identity, browser, now))
    return Response(status_code=204)


@router.post("/unsubscribe", status_code=204, responses=_ERRORS, openapi_extra=_takes(Endpoint))
async def unsubscribe_browser(request: Request) -> Response:
    """Notify a browser no more; one that is not known is none the less."""
    asked, identity = await _body(request, Endpoint), current_identity(request)
    services = services_of(request)
    await services.change(lambda connection: unsubscribe(connection, identity, asked.endpoint))
    return Response(status_code=204)


def _check_keys(keys: PushKeys) -> None:
    from server.webpush_message import Keys  # servers without browsers do without

    try:
        Keys.parse(keys.p256dh, keys.auth)
    except ValueError:
        fields = {"keys": "are no keys of a browser"}
        raise InvalidInput("This browser cannot be notified.", fields) from None


async def _body(request: Request, model: type[M]) -> M:
    try:
        return model.model_validate_json(await read_json_body(request))
    except ValidationError as error:
        raise invalid(error) from None

"""Plain REST on the rows that `/api/sync` pushes and pulls: a write is an action like any other."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter, ValidationError
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import Response

from app.protocol import MAX_PULL_ROWS, ErrorResponse, Id, JsonObject, Name, Problem, Result, Row
from server.body import read_json_body
from server.identity import current_identity
from server.items import Asked, Items, list_items, read_item
from server.problems import RequestRefused, error_response, invalid
from server.rest_actions import Change, etag
from server.services import Services, services_of

RESERVED = ("health", "sync", "events", "metrics", "session", "push", "openapi")
"""Names that no collection can have here: they are the API's own."""


class _CollectionName(StringConvertor):
    regex = rf"(?!(?:{'|'.join(RESERVED)})(?:/|$))[a-z][a-z0-9_]{{0,63}}"


class _ItemId(StringConvertor):
    regex = "[A-Za-z0-9_-]{1,64}"


register_url_convertor("collection_name", _CollectionName())
register_url_convertor("item_id", _ItemId())

COLLECTION = "/api/{collection:collection_name}"
ITEM = COLLECTION + "/{item_id:item_id}"

router = APIRouter()


class StaleResponse(ErrorResponse):
    """The body of 409: what is wrong, and the item as it stands."""

    row: Row | None


_TEXTS = {
    400: "The body is not JSON.",
    403: "Another site's page may not write.",
    404: "There is no such item, or no such collection.",
    409: "The item is not as `If-Match` says, or exists already.",
    410: "The cursor belongs to another history.",
    413: "The body, or the item, is too large.",
    415: "The body is not declared as JSON.",
    422: "A field or header does not fit; or the key was used for another request (`key_reuse`).",
    503: "The database refused; the same again under its `Idempotency-Key` is safe.",
}


def _documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    models = {409: StaleResponse}
    return {
        status: {"model": models.get(status, ErrorResponse), "description": _TEXTS[status]}
        for status in statuses
    }


_READ = _documented(404, 422, 503)
_WRITE = _documented(400, 403, 404, 409, 413, 415, 422, 503)


def _takes(*names: str, body: bool) -> dict[str, Any]:
    """Return how the document says which headers and body a write takes."""
    known: dict[str, Any] = {
        "Idempotency-Key": "An action id: the same request under the same key is done once.",
        "X-Client-Id": "Whose keys they are; `rest` without it.",
        "If-Match": "The `ETag` that the change is based on; without it an existing item is 409.",
    }
    parameters = [
        {"name": name, "in": "header", "schema": {"type": "string"}, "description": known[name]}
        for name in names
    ]
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "parameters": parameters,
        **({"requestBody": {"required": True, "content": content}} if body else {}),
    }


_WITH_KEY = ("Idempotency-Key", "X-Client-Id")


@router.get(COLLECTION, response_model=Items, responses=_READ | _documented(410))
async def list_collection(
    request: Request,
    collection: Name,
    limit: Annotated[int, Query(ge=1, le=MAX_PULL_ROWS)] = MAX_PULL_ROWS,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    deleted: bool = False,
) -> Response:
    """Return a page of the collection's items; `cursor` is the one that the page before gave.

    With `deleted`, what was deleted behind the cursor is there as tombstones: so a program that
    keeps the last cursor learns of every change.
    """
    services = _services(request, collection)
    space_id = current_identity(request).space_id
    asked = Asked(collection, cursor, limit, deleted)
    page = await services.query(lambda c: list_items(c, space_id, asked))
    return Response(page.model_dump_json(), media_type="application/json")


@router.get(ITEM, response_model=Row, responses=_READ)
async def get_item(request: Request, collection: Name, item_id: Id) -> Response:
    """Return an item; its `ETag` is its version."""
    row = await _current(request, _services(request, collection), collection, item_id)
    if row is None:
        raise _missing()
    return _shown(row, 200)


@router.post(
    COLLECTION,
    status_code=201,
    response_model=Row,
    responses=_WRITE,
    openapi_extra=_takes(*_WITH_KEY, body=True),
)
async def create_item(request: Request, collection: Name) -> Response:
    """Make an item of the body's fields; `id` in the body is its id, else it gets a new one."""
    _services(request, collection)
    change = Change.of(request, collection, None, await _body(request))
    result = await _carried_out(request, change)
    if isinstance(result, Response):
        return result
    assert result.row is not None
    location = f"{request.url.path}/{result.row.id}"
    return _shown(result.row, 201, {"Location": location})


@router.put(
    ITEM,
    response_model=Row,
    responses=_WRITE,
    openapi_extra=_takes("If-Match", *_WITH_KEY, body=True),
)
async def change_item(request: Request, collection: Name, item_id: Id) -> Response:
    """Change the given fields of an item and leave its others as they are."""
    _services(request, collection)
    change = Change.of(request, collection, item_id, await _body(request))
    result = await _carried_out(request, change)
    if isinstance(result, Response):
        return result
    assert result.row is not None
    return _shown(result.row, 200)


@router.delete(
    ITEM,
    status_code=204,
    responses=_documented(403, 404, 409, 422, 503),
    openapi_extra=_takes("If-Match", *_WITH_KEY, body=False),
)
async def delete_item(request: Request, collection: Name, item_id: Id) -> Response:
    """Delete an item; deleting one that is gone already succeeds."""
    _services(request, collection)
    change = Change.of(request, collection, item_id, None)
    result = await _carried_out(request, change)
    return result if isinstance(result, Response) else Response(status_code=204)


def _services(request: Request, collection: str) -> Services:
    """Return the services; raises `RequestRefused` (404) where no such collection is declared."""
    services = services_of(request)
    if services.registry.model(collection) is None:
        raise RequestRefused(404, "unknown_collection", "There is no such collection.")
    return services


async def _body(request: Request) -> dict[str, Any]:
    try:
        return _OBJECT.validate_json(await read_json_body(request))
    except ValidationError as error:
        raise invalid(error) from None


_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(JsonObject)


async def _current(
    request: Request, services: Services, collection: str, item_id: str
) -> Row | None:
    space_id = current_identity(request).space_id
    return await services.query(lambda c: read_item(c, space_id, collection, item_id))


async def _carried_out(request: Request, change: Change) -> Result | Response:
    """Run the action of a change; returns its result, or the answer where it had no effect."""
    services = services_of(request)
    request.state.note = f" client={change.client_id} actions=1"
    exchange = change.exchange(services.registry, current_identity(request), services.clock())
    (result,) = (await services.write(exchange)).response().results
    if result.verdict in ("applied", "duplicate"):
        return result
    error = result.error
    if result.verdict == "conflict" and result.row and not result.row.deleted:
        message = "The item is not as your change expects it: send its ETag as If-Match."
        return _stale("conflict", message, result.row)
    if error is None or error.code == "not_found":
        raise _missing()
    if error.code == "exists":
        action = change.action
        row = await _current(request, services, action.collection, action.item_id)
        return _stale(error.code, error.message, row)
    status = 413 if error.code == "too_large" else 422
    return error_response(status, error.code, error.message, error.fields)


def _missing() -> RequestRefused:
    return RequestRefused(404, "not_found", "There is no such item.")


def _stale(code: str, message: str, row: Row | None) -> Response:
    body = StaleResponse(error=Problem(code=code, message=message), row=row)
    headers = {"ETag": etag(row.version)} if row else {}
    return Response(body.model_dump_json(), 409, headers, "application/json")


def _shown(row: Row, status: int, headers: dict[str, str] | None = None) -> Response:
    headers = {**(headers or {}), "ETag": etag(row.version)}
    return Response(row.model_dump_json(), status, headers, "application/json")

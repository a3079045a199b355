"""Errors as answers: whatever goes wrong, the body is `{"error": {code, message, fields}}`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.core.actions import fields_of
from app.errors import InvalidInput
from app.protocol import ErrorResponse, Problem
from server.refusals import DatabaseUnavailable

logger = logging.getLogger(__name__)

RETRY_AFTER = 2
"""Seconds that a client is asked to wait for a database that refused."""

MOST_FIELDS = 50

_MESSAGES = {
    404: "There is nothing at this address.",
    405: "This address does not take that kind of request.",
}


class RequestRefused(Exception):
    """A request that is answered with an error status."""

    def __init__(
        self, status: int, code: str, message: str, fields: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.fields = dict(fields or {})


def error_response(
    status: int,
    code: str,
    message: str,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer for an error."""
    shown = dict(list((fields or {}).items())[:MOST_FIELDS])
    body = ErrorResponse(error=Problem(code=code, message=message, fields=shown))
    content = body.model_dump_json(ensure_ascii=True)
    return Response(content, status, media_type="application/json", headers=headers)


def invalid(error: ValidationError) -> RequestRefused:
    """Return the refusal of a body that is not JSON, or does not fit its model."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    if problems[0]["type"] == "json_invalid":
        return RequestRefused(400, "bad_json", f"The body cannot be read: {problems[0]['msg']}.")
    return RequestRefused(422, "invalid", "Some fields are not valid.", fields_of(error))


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestRefused)
    return error_response(error.status, error.code, str(error), error.fields)


async def _invalid_input(_request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidInput)
    return error_response(422, "invalid", str(error), error.fields)


async def _invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = {".".join(map(str, detail["loc"])): detail["msg"] for detail in error.errors()}
    return error_response(422, "invalid", "Some fields are not valid.", fields)


async def _cut_off(_request: Request, _error: Exception) -> Response:
    """Nobody is there to read this: it is no defect of the server's, and logged as what it is."""
    return error_response(400, "incomplete", "The request ended before it was complete.")


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    message = _MESSAGES.get(status, f"{status.phrase}.")
    return error_response(status, status.name.lower(), message, headers=error.headers)


async def _unavailable(_request: Request, error: Exception) -> Response:
    logger.warning("%s", error)
    message = "The server cannot reach its data now. Send the same again shortly."
    return error_response(503, "unavailable", message, headers={"Retry-After": str(RETRY_AFTER)})


async def _unexpected(_request: Request, _error: Exception) -> Response:
    return error_response(500, "internal", "The server met an error of its own. Try again later.")


_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    RequestRefused: _refused,
    InvalidInput: _invalid_input,
    RequestValidationError: _invalid_request,
    HTTPException: _http,
    ClientDisconnect: _cut_off,
    DatabaseUnavailable: _unavailable,
    Exception: _unexpected,
}


async def answer_to(request: Request, error: Exception) -> Response:
    """Return the answer for an error that a request met."""
    kind = next(kind for kind in type(error).__mro__ if kind in _HANDLERS)
    return await _HANDLERS[kind](request, error)


def is_unexpected(error: Exception) -> bool:
    """Say whether an error is a defect of the server, not of a request."""
    return not isinstance(error, tuple(kind for kind in _HANDLERS if kind is not Exception))


def install_handlers(app: FastAPI) -> None:
    """Make `app` answer every error with an `ErrorResponse`."""
    for error, handler in _HANDLERS.items():
        app.add_exception_handler(error, handler)

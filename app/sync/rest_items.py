"""What a REST API answers: is it one of ours, which items does it hold, and what does it refuse?

Two forms are read without being told which: Driftline's own rows (docs/design.md, "REST"), and
plain objects with an `id`, as a list or in an object that holds one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from app.core.backoff import parse_retry_after
from app.errors import Refused
from app.ports import HttpResponse
from app.protocol import Problem, Row
from app.sync.transport import TOO_LARGE, not_our_server

LISTS = ("items", "results", "rows", "data", "value")
"""Names under which APIs put a list, where the answer is not one itself."""
CURRENT = ("row", "current", "item", "data")
"""Names under which APIs put an item as it stands into the answer that refuses a change."""

_log = logging.getLogger(__name__)


def body_of(response: HttpResponse, now: int) -> Any:
    """Return the JSON of an answer, `None` where it has none; `now` is in ms since the epoch.

    Raises `Unreachable` for anything else, such as a captive portal's page; but that a request was
    too large, a proxy says by a page of its own.
    """
    if not response.body.strip():
        return None
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    if not is_json and response.status == TOO_LARGE:
        return None
    try:
        return _parsed(response.body) if is_json else not_our_server(response, now)
    except ValueError:
        not_our_server(response, now)


def _parsed(text: str) -> Any:
    """Return the value of a JSON text; raises `ValueError` for one nested without end.

    Python's own parser would overflow the stack of the page's interpreter, which ends it.
    """
    try:
        return from_json(text)
    except ValueError as error:
        if "recursion" in str(error):
            raise
        return json.loads(text)  # it takes halves of surrogate pairs, too


def row_in(value: Any, collection: str, version: int, place: int = 0) -> Row | None:
    """Return the row that an item amounts to, or `None` where it is none.

    A plain item gets `version`, and `place` for its time where it names none.
    """
    if not isinstance(value, dict) or not isinstance(value.get("id"), str | int):
        return None
    fields = value
    if not is_row(value, collection):
        fields = {
            "id": str(value["id"]),
            "version": version,
            "data": {name: held for name, held in value.items() if name != "id"},
            "updated_at": _microseconds(value) or place,
            "updated_by": "",
        }
    try:
        return Row.model_validate({**fields, "collection": collection})
    except ValidationError as error:
        _log.warning("An item of %s cannot be kept: %s", collection, error)
        return None


def rows_in(values: Sequence[Any], collection: str, version: int) -> list[Row]:
    """Return the rows of a list; what is no item is left out."""
    rows = (row_in(value, collection, version, place) for place, value in enumerate(values, 1))
    return [row for row in rows if row is not None]


def current_in(body: Any, collection: str, version: int) -> Row | None:
    """Return the item as it stands, where an answer that refuses a change holds it."""
    held = [body.get(name) for name in CURRENT] if isinstance(body, dict) else []
    found = (row_in(value, collection, version) for value in [*held, body])
    return next((row for row in found if row is not None), None)


def is_row(value: Mapping[str, Any], collection: str) -> bool:
    """Tell whether an item is a Driftline row."""
    is_named = value.get("collection") == collection
    return is_named and "data" in value and isinstance(value.get("version"), int)


def list_in(body: Any) -> list[Any] | None:
    """Return the items of a collection's answer, `None` where it holds no list."""
    held = [body, *(body.get(name) for name in LISTS)] if isinstance(body, dict) else [body]
    return next((value for value in held if isinstance(value, list)), None)


def problem_in(status: int, body: Any) -> Problem:
    """Return what an error says: ours, problem details (RFC 9457), or other common forms."""
    said = body if isinstance(body, dict) else {}
    error = said["error"] if isinstance(said.get("error"), dict) else said
    texts = (error.get(name) for name in ("message", "detail", "title", "error"))
    message = next((text for text in texts if isinstance(text, str) and text), None)
    code = next((error[name] for name in ("code", "type") if isinstance(error.get(name), str)), "")
    fields: dict[str, str] = {}
    for name in ("fields", "errors", "invalid-params", "invalid_params", "detail"):
        fields = fields or _fields(error.get(name))
    return Problem(
        code=code if code and code != "about:blank" else f"http_{status}",
        message=message or f"The server refused this change ({status}).",
        fields=fields,
    )


def refused(response: HttpResponse, body: Any, now: int) -> Refused:
    """Return the error that an answer stands for; `now` is in milliseconds since the epoch."""
    problem = problem_in(response.status, body)
    wait = parse_retry_after(response.headers.get("retry-after"), now)
    return Refused(
        response.status, problem.code, problem.message, fields=problem.fields, retry_after=wait
    )


def _fields(value: Any) -> dict[str, str]:
    """Return texts by field: from an object of texts or lists, or from a list of objects."""
    if isinstance(value, dict):
        return {str(name): _text(text) for name, text in value.items()}
    found: dict[str, str] = {}
    for entry in value if isinstance(value, list) else []:
        if isinstance(entry, dict):
            names = (entry.get(key) for key in ("pointer", "name", "field", "loc"))
            texts = (entry.get(key) for key in ("detail", "reason", "message", "msg"))
            name = next((name for name in names if name), "data")
            found[_path(name)] = _text(next((text for text in texts if text), "is not valid"))
    return found


def _path(name: Any) -> str:
    """Return a JSON pointer, or a list of steps, as a field's path."""
    if isinstance(name, list):
        return ".".join(str(step) for step in name if step != "body")
    return str(name).lstrip("#/").replace("/", ".")


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _microseconds(item: Mapping[str, Any]) -> int | None:
    """Return when an item was changed, where it says so: as ISO 8601, or seconds or finer."""
    found = (item.get(name) for name in ("updated_at", "updatedAt", "modified_at", "modified"))
    value = next((time for time in found if time), None)
    if isinstance(value, str):
        try:
            return max(0, round(datetime.fromisoformat(value).timestamp() * 1e6))
        except ValueError:
            return None
    if not isinstance(value, int | float) or value < 0:
        return None
    scale = 1e6 if value < 1e11 else 1e3 if value < 1e14 else 1
    return min(round(value * scale), 2**53 - 1)

"""An action's data as fields of a plain form, and back. Pure, so that it is tested anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.core.actions import Data
from app.errors import InvalidInput

LONG = ("text", "body")
"""Fields that are written in several lines, whatever is in them now."""
LONG_FROM = 80


@dataclass(frozen=True)
class FormField:
    """One field of the form: text as it is, in one line or several, or any other value as JSON."""

    name: str
    label: str
    kind: Literal["line", "lines", "json"]
    value: str


def fields_of_data(data: Data) -> list[FormField]:
    """Return the fields of a form for `data`."""
    return [_field(name, value) for name, value in data.items()]


def data_of_fields(data: Data, typed: Mapping[str, str]) -> Data:
    """Return what was `typed` as data, for the form of `data`.

    Raises `InvalidInput`, with the fields, where something is no JSON.
    """
    changed: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for field in fields_of_data(data):
        text = typed[field.name]
        if field.kind != "json":
            # A field of the page holds its lines by line feeds only: what was not touched stays.
            changed[field.name] = data[field.name] if text == _lines(field.value) else text
            continue
        try:
            changed[field.name] = json.loads(text)
        except (ValueError, RecursionError) as error:
            wrong[field.name] = _json_problem(error)
    if wrong:
        raise InvalidInput("Some fields cannot be read.", wrong)
    return changed


def _field(name: str, value: Any) -> FormField:
    label = name.replace("_", " ")
    label = label[:1].upper() + label[1:]
    if not isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False, indent=2)
        return FormField(name, f"{label} (JSON)", "json", text)
    several = name in LONG or len(value) > LONG_FROM or len(value.splitlines()) > 1
    return FormField(name, label, "lines" if several else "line", value)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _json_problem(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        where = f"line {error.lineno}, character {error.colno}"
        return f"is not JSON: {error.msg} ({where}). Text stands in double quotes."
    return "is not JSON."

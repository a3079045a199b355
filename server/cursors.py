"""Cursors: the opaque text that a client keeps is the version it has pulled up to."""

from __future__ import annotations

import re

from app.errors import InvalidInput

_CURSOR = re.compile(r"c(0|[1-9][0-9]{0,15})")


def encode_cursor(version: int) -> str:
    """Return the cursor that stands behind the row with `version`."""
    return f"c{version}"


def decode_cursor(cursor: str | None) -> int:
    """Return the version a cursor stands behind, 0 for `None`.

    Raises `InvalidInput` where the text was never a cursor of this server.
    """
    if cursor is None:
        return 0
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidInput("The cursor is not valid.", {"cursor": "is not a cursor of this server"})
    return int(match[1])

"""Cursors: the opaque text that a client keeps is how far it has pulled, and in which history."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.errors import InvalidInput

_NUMBER = r"(0|[1-9][0-9]{0,15})"
_CURSOR = re.compile(rf"c{_NUMBER}|c([0-9a-f]{{16}})\.{_NUMBER}(?:\.{_NUMBER})?", re.ASCII)


@dataclass(frozen=True)
class Cursor:
    """A place behind the row with `version`, in the history called `epoch`.

    `epoch` is `None` in a cursor from before there were epochs. `since` is only set within a pull
    that began at zero: the horizon as it was then.
    """

    epoch: str | None
    version: int
    since: int | None = None


def encode_cursor(epoch: str, version: int, since: int | None = None) -> str:
    """Return a cursor as text."""
    ending = "" if since is None else f".{since}"
    return f"c{epoch}.{version}{ending}"


def decode_cursor(cursor: str | None) -> Cursor | None:
    """Return the cursor that a text stands for, `None` for `None`.

    Raises `InvalidInput` where the text was never a cursor of such a server.
    """
    if cursor is None:
        return None
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidInput("The cursor is not valid.", {"cursor": "is not a cursor of this server"})
    old, epoch, version, since = match.groups()
    return Cursor(epoch, int(old or version), None if since is None else int(since))

"""What can be said of an action without a look at the space, so that its writer need not.

One thread writes, while others wait for it. Here is most of what it takes to judge a new item:
the hash of what the action says, and what it makes of an item that is not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from pydantic_core import to_json

from app.core.actions import Data, Registry
from app.errors import Rejected
from app.protocol import MAX_ACTION_BYTES, Action

_canonical = json.JSONEncoder(sort_keys=True)
_compact = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class Effect(NamedTuple):
    """What an action makes of an item: its data as JSON, `None` to delete it, or an error."""

    text: str | None
    error: Exception | None = None


class Prepared(NamedTuple):
    """An action, the hash of what it says, and what it makes of an item that is not there.

    The last is `None` where the action is of an item that its author knew.
    """

    action: Action
    body_hash: str
    first: Effect | None


def prepare(registry: Registry, actions: Iterable[Action]) -> list[Prepared]:
    """Prepare actions; nothing that an action holds makes it raise."""
    return [
        Prepared(
            action,
            body_hash(action),
            effect(registry, None, action) if action.base_version is None else None,
        )
        for action in actions
    ]


def body_hash(action: Action) -> str:
    """Return a hash of what an action says; `seq` and `depends_on` only say when it may run."""
    data = "null" if action.data is None else _canonical.encode(action.data)
    base = "null" if action.base_version is None else action.base_version
    # JSON, put together by hand: names and ids hold nothing that it would escape.
    body = (
        f'["{action.type}", {action.version}, "{action.collection}", "{action.item_id}", '
        f"{data}, {base}, {action.created_at}]"
    )
    return sha256(body.encode()).hexdigest()


def effect(registry: Registry, current: Data | None, action: Action) -> Effect:
    """Return what the action makes of an item whose data is `current`, `None` if it has none."""
    try:
        data = registry.apply(current, action)
        return Effect(None if data is None else _encode(data))
    except Exception as error:  # an action function is anybody's; `_Batch` gives the verdict
        return Effect(None, error)


def _encode(data: Data) -> str:
    text = to_json(data, ensure_ascii=True).decode()
    if "NaN" in text or "Infinity" in text:
        # Raises where that is a number. It takes five times as long, so it is not for all.
        text = _compact.encode(data)
    if len(text) > MAX_ACTION_BYTES and _wire_size(data) > MAX_ACTION_BYTES:
        raise Rejected("too_large", "The item would be larger than the server keeps.")
    return text


def _wire_size(data: Data) -> int:
    return len(json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode())

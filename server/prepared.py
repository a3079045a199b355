"""What can be said of an action without a look at the space, so that its writer need not.

One thread writes, while others wait for it. Here is most of what it takes to judge a new item:
the hash of what the action says, and what it makes of an item that is not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, NamedTuple

from pydantic_core import to_json

from app.core.actions import Data, Registry
from app.errors import Rejected
from app.protocol import MAX_ACTION_BYTES, Action

_canonical = json.JSONEncoder(sort_keys=True)
_compact = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class Prepared(NamedTuple):
    """The fields of an `Action`, in their order, and the hash of what it says.

    `first` is what it makes of an item that is not there: the item's data as JSON. It is `None`
    where that is for the writer to find out: the action is of an item that its author knew, deletes
    one, or is refused.
    """

    id: str
    seq: int
    type: str
    version: int
    collection: str
    item_id: str
    data: Data | None
    base_version: int | None
    created_at: int
    depends_on: tuple[int, ...]
    earlier_ids: tuple[str, ...]
    body_hash: str
    first: str | None

    def action(self) -> Action:
        """Return the action."""
        says: dict[str, Any] = dict(zip(Action.model_fields, self, strict=False))
        return Action.model_construct(**says)


def prepare(registry: Registry, actions: Iterable[Action]) -> list[Prepared]:
    """Prepare actions; nothing that an action holds makes it raise."""
    return [_prepared(registry, action) for action in actions]


def _prepared(registry: Registry, action: Action) -> Prepared:
    return Prepared(
        action.id,
        action.seq,
        action.type,
        action.version,
        action.collection,
        action.item_id,
        action.data,
        action.base_version,
        action.created_at,
        action.depends_on,
        action.earlier_ids,
        body_hash(action),
        _first(registry, action) if action.base_version is None else None,
    )


def _first(registry: Registry, action: Action) -> str | None:
    try:
        return effect(registry, None, action)
    except Exception:  # an action function is anybody's; the writer meets the same and judges it
        return None


def body_hash(action: Action) -> str:
    """Return a hash of what an action says; what is not in it only says when it may run."""
    data = "null" if action.data is None else _canonical.encode(action.data)
    base = "null" if action.base_version is None else action.base_version
    # JSON, put together by hand: names and ids hold nothing that it would escape.
    body = (
        f'["{action.type}", {action.version}, "{action.collection}", "{action.item_id}", '
        f"{data}, {base}, {action.created_at}]"
    )
    return sha256(body.encode()).hexdigest()


def effect(registry: Registry, current: Data | None, action: Action) -> str | None:
    """Return what the action makes of an item whose data is `current`: JSON, `None` to delete it.

    Raises what the action's function does, and `Rejected` where the result cannot be kept.
    """
    data = registry.apply(current, action)
    return None if data is None else _encode(data)


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

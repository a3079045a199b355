"""The action types that every collection has: create, update, put and delete an item."""

from __future__ import annotations

from app.core.actions import Data, registry
from app.errors import Rejected
from app.protocol import Action


@registry.action("create")
def create(current: Data | None, action: Action) -> Data | None:
    """Make an item; an existing one is refused, since its content would be lost."""
    if current is not None:
        raise Rejected("exists", "An item with this id exists already.")
    return dict(action.data or {})


@registry.action("update", checks_version=True)
def update(current: Data | None, action: Action) -> Data | None:
    """Change the given fields of an item and leave the others as they are."""
    if current is None:
        raise Rejected("not_found", "The item does not exist any more.")
    return {**current, **(action.data or {})}


@registry.action("put", checks_version=True)
def put(current: Data | None, action: Action) -> Data | None:
    """Make an item what it is to be, whole, whether it is there or was deleted."""
    return dict(action.data or {})


@registry.action("delete", checks_version=True)
def delete(current: Data | None, action: Action) -> Data | None:
    """Delete an item; deleting one that is gone already succeeds."""
    return None


@registry.coalesces("create", "update")
@registry.coalesces("update", "update")
@registry.coalesces("put", "update")
def change_what_was_made(earlier: Action, later: Action) -> Action:
    """Put the later fields over the earlier ones."""
    return earlier.model_copy(update={"data": {**(earlier.data or {}), **(later.data or {})}})


@registry.coalesces("update", "delete")
@registry.coalesces("put", "delete")
def delete_instead(earlier: Action, later: Action) -> Action:
    """Delete what would only be changed first."""
    return earlier.model_copy(update={"type": later.type, "data": later.data})


@registry.coalesces("create", "delete")
def never_mind(_earlier: Action, _later: Action) -> None:
    """An item that the server never heard of need not be made to be deleted."""

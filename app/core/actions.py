"""The registry of action types: name -> pure function on one row's data, on both sides the same.

An action function gets the item's current data (`None` where there is none) and the action, and
returns the new data (`None` deletes the item). It raises `Rejected` to refuse. The browser runs it
to show the change at once; the server runs it to make the change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.errors import NotFound, Rejected
from app.protocol import Action

Data = dict[str, Any]
ActionFunction = Callable[[Data | None, Action], Data | None]
_F = TypeVar("_F", bound=ActionFunction)


@dataclass(frozen=True)
class ActionType:
    """An action function and whether it must be based on the server's current version."""

    function: ActionFunction
    checks_version: bool


class Registry:
    """Action functions by name, and the models of collections by collection name."""

    def __init__(self) -> None:
        self._types: dict[str, ActionType] = {}
        self._models: dict[str, type[BaseModel]] = {}

    def action(self, name: str, *, checks_version: bool = False) -> Callable[[_F], _F]:
        """Register the decorated function under `name`.

        With `checks_version` the server answers `conflict` where `base_version` is not the row's.
        """

        def register(function: _F) -> _F:
            self._types[name] = ActionType(function, checks_version)
            return function

        return register

    def declare(self, collection: str, model: type[BaseModel]) -> None:
        """Say that items of `collection` are instances of `model`."""
        self._models[collection] = model

    def model(self, collection: str) -> type[BaseModel] | None:
        """Return the model of a collection, or `None` where none was declared."""
        return self._models.get(collection)

    def get(self, name: str) -> ActionType:
        """Return the action type called `name`; raises `NotFound`."""
        try:
            return self._types[name]
        except KeyError:
            raise NotFound(f"There is no action type called “{name}”.") from None

    def knows(self, name: str) -> bool:
        """Tell whether an action type called `name` is registered."""
        return name in self._types

    def apply(self, current: Data | None, action: Action) -> Data | None:
        """Return the item's data after `action`.

        Raises `NotFound` for an unknown type and `Rejected` where the action is refused, also
        where the result does not fit the collection's model.
        """
        data = self.get(action.type).function(current, action)
        model = self._models.get(action.collection)
        if data is None or model is None:
            return data
        try:
            return model.model_validate(data).model_dump(mode="json")
        except ValidationError as error:
            raise Rejected("invalid", "Some fields are not valid.", fields_of(error)) from None


def fields_of(error: ValidationError) -> dict[str, str]:
    """Return a validation error as field path -> sentence."""
    return {
        ".".join(str(part) for part in detail["loc"]) or "data": detail["msg"]
        for detail in error.errors(include_url=False, include_context=False, include_input=False)
    }


registry = Registry()


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


@registry.action("delete", checks_version=True)
def delete(current: Data | None, action: Action) -> Data | None:
    """Delete an item; deleting one that is gone already succeeds."""
    return None

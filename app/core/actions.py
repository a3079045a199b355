"""The registry of action types: name -> pure function on one row's data, on both sides the same.

An action function gets the item's current data (`None` where there is none) and the action, and
returns the new data (`None` deletes the item). It raises `Rejected` to refuse. The browser runs it
to show the change at once; the server runs it to make the change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from app.core.backoff import DEFAULT_RETRY, RetryPolicy
from app.errors import InvalidInput, NotFound, Rejected
from app.protocol import Action

if TYPE_CHECKING:
    from app.core.conflict import Conflict

Data = dict[str, Any]
ActionFunction = Callable[[Data | None, Action], Data | None]
Upcaster = Callable[[Data], Data]
Coalescer = Callable[[Action, Action], Action | None]
PolicyName = Literal["manual", "merge", "mine", "theirs"]
PolicyFunction = Callable[["Conflict"], Data | None | EllipsisType]
Policy = PolicyName | PolicyFunction
"""What becomes of a conflict: a person decides (`manual`); the changes of both are merged by field,
and a person decides where they overlap (`merge`); `mine` or `theirs` is taken; or a function
returns the item's data, `None` to delete it, or `...` to leave it to a person."""
_F = TypeVar("_F", bound=ActionFunction)
_U = TypeVar("_U", bound=Upcaster)
_C = TypeVar("_C", bound=Coalescer)


@dataclass(frozen=True)
class ActionType:
    """An action function, and how its actions are treated.

    `version` is that of the data it takes; older data goes through the upcasters first.
    """

    function: ActionFunction
    checks_version: bool
    version: int
    retry: RetryPolicy


class Registry:
    """Action functions by name, and the models of collections by collection name."""

    def __init__(self) -> None:
        self._types: dict[str, ActionType] = {}
        self._models: dict[str, type[BaseModel]] = {}
        self._policies: dict[str, Policy] = {}
        self._upcasters: dict[tuple[str, int], tuple[int, Upcaster]] = {}
        self._coalescers: dict[tuple[str, str], Coalescer] = {}

    def action(
        self,
        name: str,
        *,
        checks_version: bool = False,
        version: int = 1,
        retry: RetryPolicy = DEFAULT_RETRY,
    ) -> Callable[[_F], _F]:
        """Register the decorated function under `name`.

        With `checks_version` the server answers `conflict` where `base_version` is not the row's.
        """

        def register(function: _F) -> _F:
            self._types[name] = ActionType(function, checks_version, version, retry)
            return function

        return register

    def upcast(self, name: str, old: int, new: int) -> Callable[[_U], _U]:
        """Register the decorated function, from a type's `old` version of data to its `new` one."""

        def register(upcaster: _U) -> _U:
            self._upcasters[name, old] = (new, upcaster)
            return upcaster

        return register

    def coalesces(self, earlier: str, later: str) -> Callable[[_C], _C]:
        """Register the decorated function to make one action of two that were not sent yet.

        It gets an `earlier` and a `later` action of one item, next to each other, and returns what
        replaces both, in the earlier one's place, or `None` where they cancel each other out.
        """

        def register(coalescer: _C) -> _C:
            self._coalescers[earlier, later] = coalescer
            return coalescer

        return register

    def coalescer(self, earlier: Action, later: Action) -> Coalescer | None:
        """Return the function that makes one action of these two, if there is one."""
        return self._coalescers.get((earlier.type, later.type))

    def current(self, action: Action) -> Action:
        """Return the action with its data brought up to its type's version.

        Raises `NotFound` for an unknown type, `Rejected` for a version that this code does not
        know: it was made by a newer one, or the way up was taken out too early.
        """
        version = self.get(action.type).version
        while action.version != version:
            step = self._upcasters.get((action.type, action.version))
            if step is None:
                raise Rejected(
                    "unsupported_version", "This change was made by another version of the app."
                )
            new, upcaster = step
            data = upcaster(dict(action.data or {}))
            action = action.model_copy(update={"version": new, "data": data})
        return action

    def declare(
        self, collection: str, model: type[BaseModel], conflicts: Policy | None = None
    ) -> None:
        """Say that items of `collection` are instances of `model`, and what conflicts become.

        Without `conflicts` it stays as it was declared before: `manual`, if never.
        """
        if not (conflicts is None or callable(conflicts) or conflicts in get_args(PolicyName)):
            raise InvalidInput(f"There is no conflict policy called “{conflicts}”.")
        self._models[collection] = model
        if conflicts is not None:
            self._policies[collection] = conflicts

    def policy(self, collection: str) -> Policy:
        """Return what becomes of a collection's conflicts."""
        return self._policies.get(collection, "manual")

    def model(self, collection: str) -> type[BaseModel] | None:
        """Return the model of a collection, or `None` where none was declared."""
        return self._models.get(collection)

    def problems(self, collection: str, data: Data | None) -> dict[str, str]:
        """Return what keeps an item's data from fitting its model, by field path, if anything."""
        model = self._models.get(collection)
        if data is None or model is None:
            return {}
        try:
            model.model_validate(data)
        except ValidationError as error:
            return fields_of(error)
        return {}

    def unknown(self, collection: str, data: Data | None) -> Data:
        """Return the fields of an item that its model does not know: a newer version may."""
        model = self._models.get(collection)
        if data is None or model is None:
            return {}
        return {name: held for name, held in data.items() if name not in model.model_fields}

    def whole(self, collection: str, data: Data | None) -> Data | None:
        """Return an item's data with the defaults of its model, and with what that does not know.

        What does not fit the model is returned as it is.
        """
        model = self._models.get(collection)
        if data is None or model is None or self.problems(collection, data):
            return data
        return {**data, **model.model_validate(data).model_dump(mode="json")}

    def collections(self) -> tuple[str, ...]:
        """Return the names of the declared collections."""
        return tuple(self._models)

    def get(self, name: str) -> ActionType:
        """Return the action type called `name`; raises `NotFound`."""
        try:
            return self._types[name]
        except KeyError:
            raise NotFound(f"There is no action type called “{name}”.") from None

    def retry_policy(self, name: str) -> RetryPolicy:
        """Return how the actions of a type are tried again, also of one that is not registered."""
        known = self._types.get(name)
        return known.retry if known else DEFAULT_RETRY

    def version(self, name: str) -> int:
        """Return the version of a type's data that is made now, 1 for one not registered."""
        known = self._types.get(name)
        return known.version if known else 1

    def knows(self, name: str) -> bool:
        """Tell whether an action type called `name` is registered."""
        return name in self._types

    def apply(self, current: Data | None, action: Action) -> Data | None:
        """Return the item's data after `action`.

        Raises `NotFound` for an unknown type and `Rejected` where the action is refused, also
        where the result does not fit the collection's model.
        """
        action = self.current(action)
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

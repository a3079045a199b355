"""Actions that the application carries out itself, by a function, instead of the sync server."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from app.protocol import Action

Handler = Callable[[Action], Awaitable[Any] | Any]
_H = TypeVar("_H", bound=Handler)


class Handlers:
    """Handlers by action type; `prepare` runs once, before the first handler does.

    `registered` is called after each registration. The browser's `prepare` makes `urllib` and
    `requests` work, which is too costly for every start.
    """

    def __init__(self, prepare: Callable[[], None]) -> None:
        self._prepare = prepare
        self._prepared = False
        self._handlers: dict[str, Handler] = {}
        self.registered: Callable[[], None] = lambda: None

    def register(self, action_type: str) -> Callable[[_H], _H]:
        """Register the decorated function, synchronous or not, for an action type."""

        def decorate(handler: _H) -> _H:
            self._handlers[action_type] = handler
            self.registered()
            return handler

        return decorate

    @property
    def types(self) -> tuple[str, ...]:
        """The action types that have a handler."""
        return tuple(self._handlers)

    def get(self, action_type: str) -> Handler | None:
        """Return the handler of an action type, if there is one."""
        return self._handlers.get(action_type)

    async def run(self, handler: Handler, action: Action) -> None:
        """Carry out `action`; whatever the handler raises comes out."""
        if not self._prepared:
            self._prepare()
            self._prepared = True
        outcome = handler(action)
        if inspect.isawaitable(outcome):
            await outcome

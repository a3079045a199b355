"""Observable values with the contract of Svelte's stores.

`subscribe(fn)` calls `fn` at once with the value, then at each change, and returns the function
that ends it (https://svelte.dev/docs/svelte/stores, "Store contract").
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S")
Unsubscribe = Callable[[], None]

_log = logging.getLogger(__name__)


class Readable(Protocol[T_co]):
    """A value that can be looked at and watched."""

    def get(self) -> T_co: ...

    def subscribe(self, fn: Callable[[T_co], Any]) -> Unsubscribe: ...


class Writable(Generic[T]):
    """A value that its owner sets; setting an equal value tells nobody."""

    def __init__(self, value: T) -> None:
        self._value = value
        self._subscribers: dict[object, Callable[[T], Any]] = {}

    def get(self) -> T:
        """Return the value as it is now."""
        return self._value

    def set(self, value: T) -> None:
        """Replace the value and tell all subscribers, in the order they came."""
        if value == self._value:
            return
        self._value = value
        for fn in list(self._subscribers.values()):
            _call(fn, value)

    def amend(self, value: T) -> None:
        """Replace the value by one that differs in nothing that anybody has to be told of now."""
        self._value = value

    def update(self, fn: Callable[[T], T]) -> None:
        """Replace the value by `fn` of it."""
        self.set(fn(self._value))

    def subscribe(self, fn: Callable[[T], Any]) -> Unsubscribe:
        """Call `fn` with the value now and at each change; returns what ends it."""
        token = object()
        self._subscribers[token] = fn
        _call(fn, self._value)
        return lambda: (self._subscribers.pop(token, None), None)[1]


class Derived(Generic[T]):
    """A value computed from another one; it follows its source for as long as both live."""

    def __init__(self, source: Readable[S], fn: Callable[[S], T]) -> None:
        self._target: Writable[T] = Writable(fn(source.get()))
        source.subscribe(lambda value: self._target.set(fn(value)))

    def get(self) -> T:
        """Return the value as it is now."""
        return self._target.get()

    def subscribe(self, fn: Callable[[T], Any]) -> Unsubscribe:
        """Call `fn` with the value now and at each change; returns what ends it."""
        return self._target.subscribe(fn)


def derived(source: Readable[S], fn: Callable[[S], T]) -> Derived[T]:
    """Return the observable value that is `fn` of `source`'s."""
    return Derived(source, fn)


def _call(fn: Callable[[T], Any], value: T) -> None:
    """A subscriber that fails must not keep the others, or the writer, from going on."""
    try:
        fn(value)
    except Exception:
        _log.exception("A subscriber failed")

"""What every page (one view with its widgets) has in common."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, Protocol

from app.errors import DriftlineError

_log = logging.getLogger(__name__)
_tasks: set[asyncio.Future[Any]] = set()


class Page(Protocol):
    """One view. `start` is awaited once, before it is shown first; it then takes input.

    `enter` is called each time its route is entered, with the item that the address names, if any;
    `leave` when another view is shown.
    """

    async def start(self) -> None: ...

    def enter(self, item: str | None) -> None: ...

    def leave(self) -> None: ...


def begin(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Run `work` at once as far as it goes without waiting, and the rest beside everything else.

    What a tap asks of the storage is asked before the browser can put a frame in between, and a
    dialog that it opens has the focus before the next key arrives.
    """
    loop = asyncio.get_running_loop()
    return asyncio.Task(work, loop=loop, eager_start=True)  # type: ignore[call-arg]  # from 3.12 on


def spawn(work: Coroutine[Any, Any, Any] | asyncio.Future[Any]) -> None:
    """Run `work`, or what was begun, beside everything else.

    What it raises is logged, never swallowed.
    """
    task = asyncio.ensure_future(work)
    _tasks.add(task)
    task.add_done_callback(_ended)


class Taps:
    """Does what a person taps for; the same again, while it is being done, is the same tap.

    Otherwise a double tap would do it twice, or be refused the second time and say so.
    """

    def __init__(self) -> None:
        self._under_way: set[Hashable] = set()

    def do(self, what: Hashable, work: Callable[[], Awaitable[Any]]) -> None:
        """Do `work` beside everything else, unless `what` is being done."""
        if what in self._under_way:
            return
        self._under_way.add(what)
        task = asyncio.ensure_future(work())
        task.add_done_callback(lambda _task: self._under_way.discard(what))
        spawn(task)


def _ended(task: asyncio.Future[Any]) -> None:
    _tasks.discard(task)
    if not task.cancelled() and task.exception() is not None:
        _log.error("A background task failed", exc_info=task.exception())


async def telling(notify: Callable[[str], None], work: Coroutine[Any, Any, Any]) -> None:
    """Do what a person asked for; where it is refused, say so in the words of the refusal."""
    notify("")
    try:
        await work
    except DriftlineError as error:
        notify(str(error))

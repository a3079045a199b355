"""An event loop without sockets, threads or time: it calls what is ready, in order, and no more.

The driver of a schedule is an ordinary function: it says when something runs. That makes a
schedule a matter of its seed alone, and costs a fraction of a loop that waits for the world.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

MOST_TURNS = 200_000
"""Callbacks after which something runs for ever without any time passing."""

Called = tuple[contextvars.Context, Callable[..., Any], tuple[Any, ...]]


class SimLoop(asyncio.AbstractEventLoop):
    """The running loop of one thread while its context lasts; `task_made` hears of each task."""

    def __init__(self) -> None:
        self._ready: deque[Called] = deque()
        self._frozen: dict[object, list[Called]] = {}
        self.owner_of: Callable[[contextvars.Context], object] = lambda _context: None
        self.task_made: Callable[[asyncio.Task[Any], contextvars.Context | None], None] = (
            lambda _task, _context: None
        )
        self.failed: Callable[[dict[str, Any]], None] = lambda _context: None

    def __enter__(self) -> SimLoop:
        asyncio._set_running_loop(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio._set_running_loop(None)

    def run_ready(self, most: int = MOST_TURNS) -> bool:
        """Call what is ready until nothing is, at most so often; tells whether nothing is left."""
        ready, frozen = self._ready, self._frozen
        while ready and most:
            called = ready.popleft()
            context, callback, args = called
            if frozen and (owner := self.owner_of(context)) in frozen:
                frozen[owner].append(called)
                continue
            context.run(callback, *args)
            most -= 1
        return not ready

    def freeze(self, owner: object) -> None:
        """Call nothing of this owner's contexts until it thaws."""
        self._frozen.setdefault(owner, [])

    def thaw(self, owner: object) -> None:
        """Make ready what was not called meanwhile."""
        self._ready.extend(self._frozen.pop(owner, ()))

    def call_soon(  # type: ignore[override]  # nobody asks for the handle, which costs time
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> None:
        """Call `callback` after all that is ready now."""
        self._ready.append((context or contextvars.copy_context(), callback, args))

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> Any:
        """Start a task."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, **options)
        self.task_made(task, options.get("context"))
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Hear of an exception that nobody asked for."""
        self.failed(context)

    def get_debug(self) -> bool:
        """Debugging is never on."""
        return False

    def is_running(self) -> bool:
        """Whoever asks is called by this loop."""
        return True

    def is_closed(self) -> bool:
        """There is nothing to close."""
        return False

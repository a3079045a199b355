"""Runs inside the shipped interpreter: what pytest needs there to run the project's tests.

Called by run.mjs. The event loop is the browser's (Pyodide's WebLoop), which runs always and
cannot be entered the usual way; the server is the real one, in a process beside it (server.py).
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from js import askServer
from pyodide.ffi import run_sync

from app.ports import HttpResponse
from tests.fakes import FakeClock


class WebRunner:
    """`asyncio.Runner` on the one loop there is: it waits by switching WebAssembly's stack."""

    def __init__(self, *, debug: bool | None = None, loop_factory: object = None) -> None:
        self._others = asyncio.all_tasks(self.get_loop())

    def __enter__(self) -> WebRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_event_loop()

    def run(
        self, work: Coroutine[Any, Any, Any], *, context: contextvars.Context | None = None
    ) -> Any:
        return run_sync(self.get_loop().create_task(work, context=context))

    def close(self) -> None:
        """Cancel what is left of the test, as `asyncio.Runner` does."""
        left = asyncio.all_tasks(self.get_loop()) - self._others
        for task in left:
            task.cancel()
        if left:
            run_sync(asyncio.wait(left))


class Ready:
    """What the browser's loop has still to call, as far as a test asks: whether there is any.

    Without it a test would wait for many turns to be sure that nothing happens any more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._count = 0
        self._call_soon = loop.call_soon
        loop.call_soon = self._counted  # type: ignore[method-assign, assignment]  # of the one loop there is

    def __bool__(self) -> bool:
        return self._count > 0

    def _counted(
        self, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        def call() -> None:
            self._count -= 1
            callback(*args)

        self._count += 1
        return self._call_soon(call, context=context)


class Loopback:
    """Stands in for `tests.loopback.Loopback`, whose database this interpreter does not have."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self._clock = clock
        self._ask("open")

    def __call__(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str] | None = None
    ) -> HttpResponse:
        return HttpResponse(*self._ask("call", method, url, body, dict(headers or {})))

    def texts(self) -> list[str]:
        return list(self._ask("texts"))

    def back_up(self) -> str:
        return str(self._ask("back_up"))

    def restore(self, backup: str, *, new_epoch: bool = True) -> None:
        self._ask("restore", backup, new_epoch=new_epoch)

    def close(self) -> None:
        self._ask("close")

    def _ask(self, verb: str, *arguments: str | dict[str, str] | None, **named: bool) -> Any:
        return json.loads(askServer(json.dumps([self._clock.now(), verb, arguments, named])))


def main(options: Sequence[str]) -> int:
    """Run pytest and return its exit status."""
    replacement = ModuleType("tests.loopback")
    replacement.Loopback = Loopback  # type: ignore[attr-defined]  # a module made here
    sys.modules["tests.loopback"] = replacement
    loop = asyncio.get_event_loop()
    loop._ready = Ready(loop)  # type: ignore[attr-defined]  # as asyncio's own loops have it
    asyncio.Runner = WebRunner  # type: ignore[misc, assignment]  # before pytest-asyncio takes it
    import pytest

    run: Callable[[list[str]], int] = pytest.main
    return int(run([*options]))

"""Turns for the browser in the middle of an import, where the interpreter can be suspended.

Python waits between two imports, but not inside of one, and a module brings in many others. Where
WebAssembly can be suspended until a promise is kept (JSPI; Chromium can), it waits at any place:
`sys.monitoring` (PEP 669) tells of every piece of code as it begins for the first time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyodide.code import run_js
from pyodide.ffi import can_run_sync, run_sync

SLICE = 0.012
"""Seconds of work after which the browser gets a turn, to keep a frame of 1/60 s."""

TOOL = 4
"""The number under which we watch: `sys.monitoring` has six, and names none for this one."""

# A message comes in a turn of its own at once; a timer would come late after a few in a row.
NEXT_TURN = """() => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => resolve(port1.close());
  port2.postMessage(null);
})"""


class Slices:
    """Cuts work into slices: waits at the next beginning of some code after `SLICE` seconds."""

    def __init__(self, clock: Callable[[], float], wait: Callable[[], object]) -> None:
        self._clock = clock
        self._wait = wait
        self._waiting = False
        self._ends = clock() + SLICE

    def begins(self) -> None:
        """Give the browser a turn if one is due. What runs in that turn gets none of its own."""
        if self._waiting or self._clock() < self._ends:
            return
        self._waiting = True
        try:
            self._wait()
        finally:
            self._waiting = False
        self._ends = self._clock() + SLICE


def can_be_given() -> bool:
    """Say whether Python can wait here, in the middle of what it does."""
    return bool(can_run_sync())


@contextmanager
def given(clock: Callable[[], float] = time.perf_counter) -> Iterator[None]:
    """Give the browser turns during what is done within, none of which may await.

    Anything else may run in those turns, so it must not need what is half done.
    """
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]  # new in the page's Python
    next_turn = run_js(NEXT_TURN)
    slices = Slices(clock, lambda: run_sync(next_turn()))

    def begins(_code: object, _offset: int) -> Any:
        if can_be_given():
            slices.begins()
        return monitoring.DISABLE

    monitoring.use_tool_id(TOOL, __name__)
    monitoring.register_callback(TOOL, monitoring.events.PY_START, begins)
    monitoring.set_events(TOOL, monitoring.events.PY_START)
    try:
        yield
    finally:
        monitoring.free_tool_id(TOOL)

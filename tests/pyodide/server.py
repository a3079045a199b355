"""The real server for the tests in the shipped interpreter, which has no SQLite of its own.

`python -m tests.pyodide.server FOLDER` answers each line that `tests.pyodide.inside.Loopback`
writes, `[time, verb, arguments, named arguments]` in JSON, with one line, until there are no more.
It is a process of its own, because what other tests declare must not reach it; what those it serves
declare must.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.fakes import FakeClock
from tests.loopback import Loopback

SYNC = Path(__file__).resolve().parents[1] / "sync"


class Desk:
    """Keeps the one server that is open, and answers for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened = 0
        self._clock = FakeClock()
        self._server: Loopback | None = None

    def answer(self, time: int, verb: str, arguments: list[Any], named: dict[str, Any]) -> Any:
        """Carry out one request at a time of the asking test's clock."""
        self._clock.time = time
        if verb == "open":
            self._opened += 1
            home = self._folder / str(self._opened)
            home.mkdir()
            self._server = Loopback(home, self._clock)
            return None
        assert self._server is not None, "no server is open"
        if verb == "call":
            answered = self._server(*arguments)
            return [answered.status, answered.body, dict(answered.headers)]
        return getattr(self._server, verb)(*arguments, **named)


def main(folder: Path) -> None:
    """Answer the lines of standard input on standard output."""
    for path in sorted(SYNC.glob("test_*.py")):
        import_module(f"tests.sync.{path.stem}")
    desk = Desk(folder)
    for line in sys.stdin:
        sys.stdout.write(f"{json.dumps(desk.answer(*json.loads(line)))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

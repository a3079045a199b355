"""Servers in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 15
"""Seconds until what should happen has not happened."""
READY = "Driftline is ready at "


def until(holds: Callable[[], Any]) -> Any:
    """Wait until something holds, and return it."""
    end = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


def children_of(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started, the oldest first."""
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    """Tell whether there is such a process that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@dataclass
class Live:
    """A server process, and where it can be reached."""

    process: subprocess.Popen[str]
    url: str

    @property
    def pids(self) -> list[int]:
        """The ids of the process and of those that it started, such as the one that writes."""
        return [self.process.pid, *children_of(self.process.pid)]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask the process to end and return its exit status."""
        self.process.send_signal(how)
        return self.process.wait(timeout=10)


def start(*command: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start Python with `command` in the project's folder."""
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def live(*command: str, environment: Mapping[str, str] | None = None) -> Iterator[Live]:
    """Run a server that prints the ready line; it is ended with the context."""
    process = start(*command, environment=environment)
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        if not line.startswith(READY):
            _, errors = process.communicate(timeout=10)
            raise AssertionError(f"no ready line: {line!r} {errors}")
        yield Live(process, line.removeprefix(READY).strip())
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)

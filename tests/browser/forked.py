"""Server processes that start at once: forked from one that has imported everything already.

Importing takes a server a second or more, and there is a new one for nearly every test. Each is a
process of its own all the same, with its own database, that can be stopped, killed and started.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(["server.cli", "tests.browser.forked"])


class Forked:
    """A running command of Python, as `subprocess.Popen` has it.

    `command` is a script, or `-m` and a module, and its arguments; it runs in `folder`, with `env`
    as its environment, and writes to the end of `log`.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, env: Mapping[str, str], log: Path
    ) -> None:
        arguments = (list(command), folder, dict(env), log)
        self._process = _FORKSERVER.Process(target=_run, args=arguments, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return its exit status, `None` while it runs."""
        return self._process.exitcode

    def send_signal(self, which: signal.Signals) -> None:
        """Send it a signal."""
        if self._process.is_alive():
            os.kill(self.pid, which)

    def kill(self) -> None:
        """End it without warning."""
        self._process.kill()

    def wait(self, timeout: float | None = None) -> None:
        """Return once it has ended; raises `subprocess.TimeoutExpired`."""
        self._process.join(timeout)
        if self._process.is_alive():
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)


def _run(command: list[str], folder: Path, env: dict[str, str], log: Path) -> None:
    """Become the command: what `python` does with it, but for what is imported already."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output, stream.fileno())
    sys.stdout = open(1, "w", buffering=1)  # noqa: SIM115 - for the life of the process
    if command[0] == "-m":
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")

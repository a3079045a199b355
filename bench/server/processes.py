"""The server's process: started, asked what it costs, and stopped. Costs are read from `/proc`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.npm import ToolError
from runtime.paths import ROOT

_READY = "Driftline is ready at "
_TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A server process, where it answers, and the process of its database, if it has one.

    Costs are those of the process and of those that it started, such as the one that writes.
    """

    url: str
    pid: int
    database_pid: int | None = None

    def cpu(self) -> float:
        """Return the CPU seconds that it has used so far, in user and system."""
        return sum(_cpu(pid) for pid in self._pids())

    def database_cpu(self) -> float:
        """Return the CPU seconds of the database's process and those that it started."""
        if self.database_pid is None:
            return 0.0
        running = sum(_cpu(pid) for pid in _children(self.database_pid))
        return running + _cpu(self.database_pid, with_ended=True)

    def memory(self) -> float:
        """Return its resident memory in MB; what its processes share counts once."""
        return sum(_memory(pid) for pid in self._pids())

    def _pids(self) -> list[int]:
        return [self.pid, *_children(self.pid)]


def _memory(pid: int) -> float:
    """Return the resident memory of a process in MB, of shared pages its share ("Pss")."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith("Pss:"))
    return int(size) / 1024


def _cpu(pid: int, *, with_ended: bool = False) -> float:
    """Return the CPU seconds of a process, and of the processes that it started and that ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # it ended before it was opened, or read
        return 0.0
    return sum(map(int, fields[11 : 15 if with_ended else 13])) * _TICK


def _children(parent: int) -> list[int]:
    threads = Path(f"/proc/{parent}/task").iterdir()
    return [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]


@contextmanager
def running(
    module: str,
    *arguments: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    database_pid: int | None = None,
) -> Iterator[Process]:
    """Run a server module in a process of its own for as long as the context lasts.

    Raises `ToolError` where it does not start; it logs to the file `log`.
    """
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith(_READY):
                raise ToolError(
                    f"The server to be measured did not start: {log.read_text()[-500:]}"
                )
            yield Process(line.removeprefix(_READY).strip(), process.pid, database_pid)
        finally:
            process.terminate()
            process.wait(timeout=30)

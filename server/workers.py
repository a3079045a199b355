"""Several processes that serve from one socket, each replaced when it dies.

They are forked from a parent that has everything imported and nothing open. The parent serves
nothing: it waits for signals. Where it dies, even by SIGKILL, the others end by themselves.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from app.errors import DriftlineError, InvalidInput

logger = logging.getLogger(__name__)

Work = Callable[[int, Callable[[], None]], None]
"""Serves as the worker of a number until told to stop; calls what it is given once it is ready."""

END_SECONDS = 5
PAUSE_SECONDS = 1.0
"""A worker that lived for less than this is replaced only after as long."""

_ENDING = (signal.SIGTERM, signal.SIGINT)
_WAITED_FOR = (*_ENDING, signal.SIGCHLD, signal.SIGALRM)


class WorkersFailed(DriftlineError):
    """A worker ended before it was ready."""


@dataclass
class _Worker:
    number: int
    began: float


class Workers:
    """`count` processes that do `work`, until this one is told to stop."""

    def __init__(self, work: Work, count: int) -> None:
        if not hasattr(os, "fork"):
            raise InvalidInput("Several workers need a system that can fork, such as Linux.")
        self._work = work
        self._count = count
        self._running: dict[int, _Worker] = {}
        self._due: dict[int, float] = {}
        self._lifeline = os.pipe()
        self._mask: set[signal.Signals | int] = set()

    def run(self, ready: Callable[[], None]) -> None:
        """Start all, call `ready` once they are, and keep them running until SIGTERM or SIGINT.

        Raises `WorkersFailed` where one of them cannot be started to begin with.
        """
        with _blocked() as self._mask:
            try:
                starting = [self._start(number) for number in range(self._count)]
                for pipe in starting:
                    _wait_until_ready(pipe)
                ready()
                self._keep_running()
            finally:
                self._end()

    def _keep_running(self) -> None:
        while signal.sigwait(_WAITED_FOR) not in _ENDING:
            self._reap()
            now = time.monotonic()
            for number in [number for number, due in self._due.items() if due <= now]:
                del self._due[number]
                os.close(self._start(number))
            if self._due:
                signal.setitimer(signal.ITIMER_REAL, max(min(self._due.values()) - now, 0.001))

    def _start(self, number: int) -> int:
        """Fork a worker and return the pipe on which it says that it is ready."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            self._be_worker(number, writing)
        os.close(writing)
        self._running[pid] = _Worker(number, time.monotonic())
        return reading

    def _be_worker(self, number: int, pipe: int) -> None:
        status = 1
        try:
            for ending in _ENDING:
                signal.signal(ending, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            os.close(self._lifeline[1])
            threading.Thread(target=_end_with, args=(self._lifeline[0],), daemon=True).start()
            self._work(number, lambda: _say_ready(pipe))
            status = 0
        except DriftlineError as error:
            sys.stderr.write(f"{error}\n")
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else 0
        except BaseException:
            logger.exception("Worker %d met an error of its own", number)
        finally:
            # Without what the parent still has to do, such as closing its socket.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        """Take note of those that have died; one that dies again and again is held back."""
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            worker = self._running.pop(pid)
            how = os.waitstatus_to_exitcode(status)
            logger.warning("Worker %d (process %d) has ended: %d", worker.number, pid, how)
            self._due[worker.number] = worker.began + PAUSE_SECONDS

    def _end(self) -> None:
        """Tell all to stop, wait, and kill those that do not."""
        for pid in self._running:
            os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + END_SECONDS
        while self._running:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            self._running.pop(pid, None)
            if pid == 0:
                time.sleep(0.01)
            if time.monotonic() > until:
                for left in self._running:
                    os.kill(left, signal.SIGKILL)
        for end in self._lifeline:
            os.close(end)


def _wait_until_ready(pipe: int) -> None:
    with os.fdopen(pipe, "rb") as reading:
        if not reading.read(1):
            raise WorkersFailed("A worker could not be started.")


def _say_ready(pipe: int) -> None:
    # A worker that takes another's place has nobody who waits for it.
    try:
        os.write(pipe, b"1")
    except BrokenPipeError:
        return
    finally:
        os.close(pipe)


def _end_with(lifeline: int) -> None:
    """End this process with its parent, whose end of the pipe is the only one."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _blocked() -> Iterator[set[signal.Signals | int]]:
    """Keep signals for `sigwait`, so that none comes between two lines."""
    before = set(signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR))
    handlers = {number: signal.signal(number, _pass) for number in _WAITED_FOR}
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _pass(_signal: int, _frame: FrameType | None) -> None:
    """Do nothing, which is not the same as ignoring: the signal does arrive."""

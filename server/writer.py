"""One thread that writes: tasks that wait at the same time are done together, in one transaction.

Where the database refuses, nothing of the group is written and every task is told so. Where a task
has met an error of our own, nothing is written either, and each is done again by itself, so that
one of them never spoils the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Generic, TypeVar

from sqlalchemy import Connection

from server.database import Database
from server.refusals import DatabaseUnavailable

T = TypeVar("T")
R = TypeVar("R")

MAX_GROUP = 64
"""Tasks in one transaction, so that none waits long for the others."""

ENOUGH = 400
"""Size of the tasks of a group, in all, with which it takes no more and waits for no more."""

PATIENCE = 0.005
"""Seconds that a group waits for those who are expected to come."""


@dataclass
class _Task(Generic[T, R]):
    given: T
    size: int
    future: Future[R] = field(default_factory=Future)


class Writer(Generic[T, R]):
    """Does tasks in the order they come in, on a thread that starts with the first of them.

    `work` gets a write transaction and the tasks of a group, and returns their results in order.

    Many who were answered have the next task soon. So a group is half of those who are at work, and
    waits a moment for as many: one transaction for several costs far less than one for each, and
    while one half is written, the other half is answered and asks again. Who is alone never waits.
    `after_group` is called once all of a group were told.
    """

    def __init__(
        self,
        database: Database,
        work: Callable[[Connection, Sequence[T]], Sequence[R]],
        after_group: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._work = work
        self._after_group = after_group
        self._thread: Thread | None = None
        self._changed = Condition()
        self._waiting: deque[_Task[T, R]] = deque()
        self._size = 0
        self._wanted = 1
        self._half = 1
        self._is_closing = False

    def submit(self, given: T, size: int = 1) -> Future[R]:
        """Have a task done; its future is done once the transaction has committed."""
        task: _Task[T, R] = _Task(given, size)
        with self._changed:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="writer", daemon=True)
                self._thread.start()
            self._waiting.append(task)
            self._size += size
            if self._is_ready():
                self._changed.notify()
        return task.future

    def close(self) -> None:
        """Finish what was submitted, then stop."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            wanted = [task for task in group if task.future.set_running_or_notify_cancel()]
            if wanted:
                self._do(wanted)
                self._after_group()
            self._half = _half(len(group) + len(self._waiting))

    def _next_group(self) -> list[_Task[T, R]]:
        """Wait for tasks and take as many as may go together; none once the writer is closed."""
        with self._changed:
            self._wait_for(1)
            self._wait_for(self._half, PATIENCE)
            most = max(self._half, _half(len(self._waiting)))
            group: list[_Task[T, R]] = []
            before = self._size
            while self._waiting and len(group) < most and before - self._size < ENOUGH:
                group.append(self._waiting.popleft())
                self._size -= group[-1].size
            return group

    def _wait_for(self, count: int, seconds: float | None = None) -> None:
        """Wait until so many tasks wait, or until there is no more to wait for."""
        # Those who submit look at this, so as not to wake this thread for each of them.
        self._wanted = count
        self._changed.wait_for(self._is_ready, timeout=seconds)

    def _is_ready(self) -> bool:
        are_enough = len(self._waiting) >= self._wanted or self._size >= ENOUGH
        return self._is_closing or are_enough

    def _do(self, tasks: Sequence[_Task[T, R]]) -> None:
        given = [task.given for task in tasks]
        try:
            results = self._database.write(lambda connection: self._done(connection, given))
        except Exception as error:
            if len(tasks) > 1 and not isinstance(error, DatabaseUnavailable):
                for task in tasks:
                    self._do([task])
                return
            for task in tasks:
                task.future.set_exception(error)
        else:
            for task, result in zip(tasks, results, strict=True):
                task.future.set_result(result)

    def _done(self, connection: Connection, given: Sequence[T]) -> Sequence[R]:
        results = self._work(connection, given)
        if len(results) != len(given):
            # Within the transaction: what nobody is told of must not happen.
            raise RuntimeError(f"There are {len(results)} results for {len(given)} tasks.")
        return results


def _half(count: int) -> int:
    return min(MAX_GROUP, (count + 1) // 2)

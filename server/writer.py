"""One thread that writes: tasks that wait at the same time are done together, in one transaction.

Where the database refuses, nothing of the group is written and every task is told so. Where a task
has met an error of our own, nothing is written either, and each is done again by itself, so that
one of them never spoils the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar

from sqlalchemy import Connection

from server.database import Database
from server.refusals import DatabaseUnavailable

T = TypeVar("T")
R = TypeVar("R")

MAX_GROUP = 64
"""Tasks in one transaction, so that none waits long for the others."""


@dataclass
class _Task(Generic[T, R]):
    given: T
    future: Future[R] = field(default_factory=Future)


class Writer(Generic[T, R]):
    """Does tasks in the order they come in, on a thread that starts with the first of them.

    `work` gets a write transaction and the tasks of a group, and returns their results in order.
    """

    def __init__(
        self, database: Database, work: Callable[[Connection, Sequence[T]], Sequence[R]]
    ) -> None:
        self._database = database
        self._work = work
        self._queue: SimpleQueue[_Task[T, R] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._starting = Lock()

    def submit(self, given: T) -> Future[R]:
        """Have a task done; its future is done once the transaction has committed."""
        with self._starting:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="writer", daemon=True)
                self._thread.start()
        task: _Task[T, R] = _Task(given)
        self._queue.put(task)
        return task.future

    def close(self) -> None:
        """Finish what was submitted, then stop."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            group, is_last = self._with_those_behind(task)
            wanted = [task for task in group if task.future.set_running_or_notify_cancel()]
            if wanted:
                self._do(wanted)
            if is_last:
                return

    def _with_those_behind(self, first: _Task[T, R]) -> tuple[list[_Task[T, R]], bool]:
        """Return `first` with the tasks that wait behind it, and whether no more will come."""
        group = [first]
        while len(group) < MAX_GROUP:
            try:
                task = self._queue.get_nowait()
            except Empty:
                break
            if task is None:
                return group, True
            group.append(task)
        return group, False

    def _do(self, tasks: Sequence[_Task[T, R]]) -> None:
        given = [task.given for task in tasks]
        try:
            results = self._database.write(lambda connection: self._work(connection, given))
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

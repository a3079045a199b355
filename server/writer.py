"""One thread that writes: pushes that wait at the same time share one commit.

Each job keeps its own fate: where one fails, it alone is undone and the others are committed.
Where the database itself refuses, nothing of the group is written and every job is told so.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

from sqlalchemy import Connection

from server.database import Database, Job, is_refusal

T = TypeVar("T")

MAX_GROUP = 64
"""Jobs in one transaction, so that none waits long for the others."""


@dataclass
class _Task:
    job: Job[Any]
    future: Future[Any] = field(default_factory=Future)
    result: Any = None
    error: Exception | None = None


class Writer:
    """Runs write jobs in order on a thread that starts with the first of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: SimpleQueue[_Task | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._starting = Lock()

    def submit(self, job: Job[T]) -> Future[T]:
        """Have `job` run in a write transaction; the future is done once that has committed."""
        with self._starting:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="writer", daemon=True)
                self._thread.start()
        task = _Task(job)
        self._queue.put(task)
        return task.future

    def close(self) -> None:
        """Finish what was submitted, then stop."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            group, last = self._grouped(task)
            self._write([task for task in group if task.future.set_running_or_notify_cancel()])
            if last:
                return

    def _grouped(self, first: _Task) -> tuple[list[_Task], bool]:
        """Return `first` with what waits behind it, and whether that was all for good."""
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

    def _write(self, tasks: list[_Task]) -> None:
        try:
            with self._database.writing() as connection:
                for task in tasks:
                    _attempt(connection, task)
        except Exception as error:
            for task in tasks:
                task.future.set_exception(error)
            return
        for task in tasks:
            if task.error is None:
                task.future.set_result(task.result)
            else:
                task.future.set_exception(task.error)


def _attempt(connection: Connection, task: _Task) -> None:
    try:
        with connection.begin_nested():
            task.result = task.job(connection)
    except Exception as error:
        if is_refusal(error):
            raise
        task.error = error

"""A process that only writes, beside the one that reads requests and answers them.

An interpreter runs on one core at a time, and a server's work is about half reading requests and
half writing to the database. The writer is forked before anything is open; it is asked, and
answers, on one socket, and ends with it: whoever holds the other end may be killed at any moment.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import NoReturn

from sqlalchemy import Connection

from app.core.actions import Registry
from app.core.collections import registry as all_actions
from server.database import Database
from server.exchange import Answer, Exchange, answer_all
from server.frames import Unpacker, pack_reply, unpacked_exchange
from server.garbage import collect_less
from server.refusals import DatabaseUnavailable
from server.writer import Writer

logger = logging.getLogger(__name__)

END_SECONDS = 5
"""How long it may take to finish what it was asked, once the other end of its socket is closed."""

_MOST_AT_ONCE = 1024 * 1024


class WriterFailed(Exception):
    """The writer met an error of its own, which its log tells of; nothing was written."""


@contextmanager
def writer_process(database_url: str) -> Iterator[socket.socket | None]:
    """Run a writer to the database for as long as the context lasts; give the socket to ask it on.

    Gives `None` where the system cannot fork. To be called before threads and connections are made.
    """
    if not hasattr(os, "fork"):
        yield None
        return
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _be_writer(theirs, database_url)
    theirs.close()
    try:
        yield ours
    finally:
        with suppress(OSError):  # it is closed already, where it was used
            ours.shutdown(socket.SHUT_RDWR)
        ours.close()
        _wait_for(pid)


def _be_writer(asked: socket.socket, database_url: str) -> NoReturn:
    status = 1
    try:
        _keep_only(asked.fileno())
        # Who stops a server may signal all of its processes; this one still has to finish.
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, signal.SIG_IGN)
        collect_less()
        # Once there is something to write, the other end has found the database fit, and made it.
        if asked.recv(1, socket.MSG_PEEK):
            write_for(asked, Database(database_url), all_actions)
        status = 0
    except BaseException:
        logger.exception("The process that writes met an error of its own")
    finally:
        # Without what the parent still has to do, whose stack this is.
        os._exit(status)


def _keep_only(number: int) -> None:
    """Close all files but the standard ones and this one: they are the parent's, such as ports."""
    os.closerange(3, number)
    os.closerange(number + 1, os.sysconf("SC_OPEN_MAX"))


def _wait_for(pid: int) -> None:
    until = time.monotonic() + END_SECONDS
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        time.sleep(0.005)


def write_for(asked: socket.socket, database: Database, registry: Registry) -> None:
    """Answer the exchanges that come on a socket until it is closed, then finish those."""

    def work(connection: Connection, exchanges: Sequence[Exchange]) -> list[Answer]:
        return answer_all(connection, registry, exchanges)

    replies = _Replies(asked)
    writer = Writer(database, work, replies.send)
    unpacker = Unpacker()
    while data := asked.recv(_MOST_AT_ONCE):
        for message in unpacker.feed(data):
            number, exchange = unpacked_exchange(message)
            done = writer.submit(exchange, len(exchange.actions))
            done.add_done_callback(partial(replies.add, number))
    writer.close()
    database.close()


class _Replies:
    """Sends the replies to a group in one piece: each piece wakes the process that gets it."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._waiting: list[bytes] = []

    def add(self, number: int, done: Future[Answer]) -> None:
        """Take the reply to an exchange; an error of ours is told in the log, not in the reply."""
        error = done.exception()
        if error is None:
            reply: Answer | Exception = done.result()
        elif isinstance(error, DatabaseUnavailable):
            reply = error
        else:
            logger.error("An exchange could not be answered", exc_info=error)
            reply = WriterFailed("The writer met an error of its own.")
        self._waiting.append(pack_reply(number, reply))

    def send(self) -> None:
        """Send what was taken so far."""
        replies, self._waiting = b"".join(self._waiting), []
        try:
            self._asked.sendall(replies)
        except OSError:
            logger.info(
                "Nobody is left to be told what was written; whoever sends it again will be"
            )

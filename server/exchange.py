"""An exchange is one push and pull; those of a space are answered together, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from app.core.actions import Registry
from app.protocol import Result, SyncRequest, SyncResponse
from server.cursors import decode_cursor
from server.history import History, Start, read_history
from server.identity import Identity
from server.pull import Page, Position, pull
from server.push import Push, Pushed, push
from server.records import Author


@dataclass(frozen=True)
class Exchange:
    """A request, who makes it, and when: `now` is in microseconds since the epoch.

    Without `pulls` no rows are read for the answer.
    """

    identity: Identity
    request: SyncRequest
    now: int
    pulls: bool = True

    def push(self) -> Push:
        """Return what is pushed."""
        author = Author(self.identity.user_id, self.request.client_id)
        return Push(author, self.request.actions, self.request.settled_through, self.now)

    def position(self, history: History, newest: int) -> Position:
        """Return where the pull starts; `newest` is how far the space had come before the push."""
        if self.pulls:
            start = history.start(decode_cursor(self.request.cursor), newest)
        else:
            start = Start(history.newest, since=None, reset=False)
        return Position(self.request.client_id, start, self.request.limit)

    def answer(self, results: list[Result], page: Page, epoch: str) -> SyncResponse:
        """Return the answer to the request."""
        return SyncResponse(
            results=results,
            rows=page.rows,
            cursor=page.cursor,
            has_more=page.has_more,
            epoch=epoch,
            reset=page.reset,
            unread_count=page.unread_count,
            server_time=self.now // 1000,
        )


def answer(
    connection: Connection, identity: Identity, registry: Registry, asked: SyncRequest, now: int
) -> SyncResponse:
    """Push, then pull, in the transaction of `connection`; `now` is in microseconds.

    Where there is nothing to push, a read transaction is enough.
    """
    return answer_all(connection, registry, [Exchange(identity, asked, now)])[0]


def answer_all(
    connection: Connection, registry: Registry, exchanges: Sequence[Exchange]
) -> list[SyncResponse]:
    """Answer exchanges in one transaction, as if each were alone and they came in this order."""
    answers: dict[int, SyncResponse] = {}
    for space_id in dict.fromkeys(exchange.identity.space_id for exchange in exchanges):
        places = [n for n, e in enumerate(exchanges) if e.identity.space_id == space_id]
        here = [exchanges[place] for place in places]
        answered = _answer_in_space(connection, space_id, registry, here)
        answers |= dict(zip(places, answered, strict=True))
    return [answers[place] for place in range(len(exchanges))]


def _answer_in_space(
    connection: Connection, space_id: str, registry: Registry, exchanges: Sequence[Exchange]
) -> list[SyncResponse]:
    pushes = [exchange.push() for exchange in exchanges if exchange.request.actions]
    done = iter(push(connection, space_id, registry, pushes) if pushes else ())
    history = read_history(connection, space_id)
    results: list[list[Result]] = []
    positions: list[Position] = []
    for exchange in exchanges:
        pushed = next(done) if exchange.request.actions else Pushed([], history.newest)
        results.append(pushed.results)
        positions.append(exchange.position(history, pushed.began_at))
    pages = pull(connection, space_id, history, positions)
    return [
        exchange.answer(verdicts, page, history.epoch)
        for exchange, verdicts, page in zip(exchanges, results, pages, strict=True)
    ]

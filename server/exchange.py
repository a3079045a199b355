"""An exchange is one push and pull; those of a space are answered together, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from app.core.actions import Registry
from app.protocol import Result, SyncRequest, SyncResponse
from server.cursors import decode_cursor
from server.identity import Identity
from server.pull import Page, Position, newest_version, pull
from server.push import Push, push
from server.records import Author


@dataclass(frozen=True)
class Exchange:
    """A request, who makes it, and when: `now` is in microseconds since the epoch."""

    identity: Identity
    request: SyncRequest
    now: int

    def push(self) -> Push:
        """Return what is pushed."""
        author = Author(self.identity.user_id, self.request.client_id)
        return Push(author, self.request.actions, self.request.settled_through, self.now)

    def position(self) -> Position:
        """Return where the pull starts."""
        after = decode_cursor(self.request.cursor)
        return Position(self.request.client_id, after, self.request.limit)

    def answer(self, results: list[Result], page: Page) -> SyncResponse:
        """Return the answer to the request."""
        return SyncResponse(
            results=results,
            rows=page.rows,
            cursor=page.cursor,
            has_more=page.has_more,
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
    verdicts: dict[int, list[Result]] = {}
    places = [place for place, exchange in enumerate(exchanges) if exchange.request.actions]
    if places:
        pushes = [exchanges[place].push() for place in places]
        results, newest = push(connection, space_id, registry, pushes)
        verdicts = dict(zip(places, results, strict=True))
    else:
        newest = newest_version(connection, space_id)
    pages = pull(connection, space_id, newest, [exchange.position() for exchange in exchanges])
    return [
        exchange.answer(verdicts.get(place, []), page)
        for place, (exchange, page) in enumerate(zip(exchanges, pages, strict=True))
    ]

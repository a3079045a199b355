"""An exchange is one push and pull; those of a space are answered together, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from app.core.actions import Registry
from app.protocol import PROTOCOL, SyncRequest, SyncResponse, Verdict
from server.cursors import decode_cursor
from server.history import History, Start, read_history
from server.identity import Identity
from server.prepared import Prepared, prepare
from server.pull import Page, Position, pull
from server.push import Group, Push, Pushed, push
from server.records import Author


class Exchange(NamedTuple):
    """What a request asks for, who asks, and when: `now` is in microseconds since the epoch.

    It goes from the process that reads requests to the one that writes: all in it is plain data.
    Without `pulls` no rows are read for the answer.
    """

    identity: Identity
    client_id: str
    cursor: str | None
    settled_through: int
    limit: int
    actions: Sequence[Prepared]
    now: int
    pulls: bool = True

    @classmethod
    def of(
        cls,
        registry: Registry,
        identity: Identity,
        request: SyncRequest,
        now: int,
        *,
        pulls: bool = True,
    ) -> Exchange:
        """Return the exchange that a request asks for."""
        return cls(
            identity,
            request.client_id,
            request.cursor,
            request.settled_through,
            request.limit,
            prepare(registry, request.actions),
            now,
            pulls,
        )

    def push(self) -> Push:
        """Return what is pushed."""
        author = Author(self.identity.user_id, self.client_id)
        return Push(author, self.actions, self.settled_through, self.now)

    def position(self, history: History, newest: int) -> Position:
        """Return where the pull starts; `newest` is how far the space had come before the push."""
        if self.pulls:
            start = history.start(decode_cursor(self.cursor), newest)
        else:
            start = Start(history.newest, since=None, reset=False)
        return Position(self.client_id, start, self.limit)

    def answer(self, pushed: Pushed, page: Page, epoch: str) -> Answer:
        """Return the answer to the request."""
        return Answer(
            _text(pushed, page, epoch, self.now // 1000),
            [judged.verdict for judged in pushed.judged],
            len(page.rows),
            pushed.ended_at if pushed.ended_at > pushed.began_at else 0,
        )


class Answer(NamedTuple):
    """The answer to an exchange as it is sent: the JSON of a `SyncResponse`; and what is in it.

    The verdicts are in the order of the actions. `changed_to` is the space's version after the
    push, 0 where the push changed nothing.
    """

    text: str
    verdicts: list[Verdict]
    row_count: int
    changed_to: int

    def response(self) -> SyncResponse:
        """Return the answer as its readers see it."""
        return SyncResponse.model_validate_json(self.text)


def _text(pushed: Pushed, page: Page, epoch: str, server_time: int) -> str:
    results = ",".join([judged.text for judged in pushed.judged])
    # What is put together here is JSON already; the rest are numbers and words without quotes.
    return (
        f'{{"protocol":{PROTOCOL},"results":[{results}],"rows":[{",".join(page.rows)}],'
        f'"cursor":"{page.cursor}","has_more":{_flag(page.has_more)},"epoch":"{epoch}",'
        f'"reset":{_flag(page.start.reset)},"restored":{_flag(page.start.restored)},'
        f'"unread_count":{page.unread_count},"server_time":{server_time}}}'
    )


def _flag(value: bool) -> str:
    return "true" if value else "false"


def answer(
    connection: Connection, identity: Identity, registry: Registry, asked: SyncRequest, now: int
) -> SyncResponse:
    """Push, then pull, in the transaction of `connection`; `now` is in microseconds.

    Where there is nothing to push, a read transaction is enough.
    """
    exchange = Exchange.of(registry, identity, asked, now)
    return answer_all(connection, registry, [exchange])[0].response()


def answer_all(
    connection: Connection, registry: Registry, exchanges: Sequence[Exchange]
) -> list[Answer]:
    """Answer exchanges in one transaction, as if each were alone and they came in this order."""
    answers: dict[int, Answer] = {}
    # In one order everywhere, so that servers with several spaces to lock never wait in a circle.
    for space_id in sorted({exchange.identity.space_id for exchange in exchanges}):
        places = [n for n, e in enumerate(exchanges) if e.identity.space_id == space_id]
        here = [exchanges[place] for place in places]
        answered = _answer_in_space(connection, space_id, registry, here)
        answers |= dict(zip(places, answered, strict=True))
    return [answers[place] for place in range(len(exchanges))]


def _answer_in_space(
    connection: Connection, space_id: str, registry: Registry, exchanges: Sequence[Exchange]
) -> list[Answer]:
    pushes = [exchange.push() for exchange in exchanges if exchange.actions]
    if pushes:
        group = push(connection, space_id, registry, pushes)
    else:
        group = Group([], read_history(connection, space_id), [])
    history = group.history
    nothing = Pushed([], history.newest, history.newest)
    rest = iter(group.pushed)
    pushed = [next(rest) if exchange.actions else nothing for exchange in exchanges]
    positions = [
        exchange.position(history, done.began_at)
        for exchange, done in zip(exchanges, pushed, strict=True)
    ]
    pages = pull(connection, space_id, history, positions, group.rows)
    return [
        exchange.answer(done, page, history.epoch)
        for exchange, done, page in zip(exchanges, pushed, pages, strict=True)
    ]

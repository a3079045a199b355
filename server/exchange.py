"""An exchange is one push and pull; those of a space are answered together, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from app.core.actions import Registry
from app.protocol import PROTOCOL, Result, SyncRequest, SyncResponse
from server.cursors import decode_cursor
from server.history import History, Start, read_history
from server.identity import Identity
from server.prepared import Prepared, prepare
from server.pull import Page, Position, pull
from server.push import Group, Push, Pushed, push
from server.records import Author


@dataclass(frozen=True)
class Exchange:
    """A request, who makes it, and when: `now` is in microseconds since the epoch.

    Without `pulls` no rows are read for the answer. `prepared` are the request's actions, where
    somebody prepared them before.
    """

    identity: Identity
    request: SyncRequest
    now: int
    pulls: bool = True
    prepared: Sequence[Prepared] | None = None

    def prepare(self, registry: Registry) -> Exchange:
        """Return the exchange with its actions prepared."""
        return replace(self, prepared=prepare(registry, self.request.actions))

    def push(self, registry: Registry) -> Push:
        """Return what is pushed."""
        author = Author(self.identity.user_id, self.request.client_id)
        actions = self.prepared
        if actions is None:
            actions = prepare(registry, self.request.actions)
        return Push(author, actions, self.request.settled_through, self.now)

    def position(self, history: History, newest: int) -> Position:
        """Return where the pull starts; `newest` is how far the space had come before the push."""
        if self.pulls:
            start = history.start(decode_cursor(self.request.cursor), newest)
        else:
            start = Start(history.newest, since=None, reset=False)
        return Position(self.request.client_id, start, self.request.limit)

    def answer(self, pushed: Pushed, page: Page, epoch: str) -> Answer:
        """Return the answer to the request."""
        return Answer(pushed, page, epoch, self.now // 1000)


@dataclass(frozen=True)
class Answer:
    """The answer to an exchange, in parts; `server_time` is in milliseconds since the epoch."""

    pushed: Pushed
    page: Page
    epoch: str
    server_time: int

    @property
    def results(self) -> list[Result]:
        """The answers to the actions, in their order."""
        return [judged.result() for judged in self.pushed.judged]

    @property
    def changed_to(self) -> int:
        """The space's version after the push, 0 where the push changed nothing."""
        pushed = self.pushed
        return pushed.ended_at if pushed.ended_at > pushed.began_at else 0

    def text(self) -> str:
        """Return the answer as it is sent: the JSON of a `SyncResponse`."""
        page = self.page
        results = ",".join([judged.text for judged in self.pushed.judged])
        # What is put together here is JSON already; the rest are numbers and words without quotes.
        return (
            f'{{"protocol":{PROTOCOL},"results":[{results}],"rows":[{",".join(page.rows)}],'
            f'"cursor":"{page.cursor}","has_more":{_flag(page.has_more)},"epoch":"{self.epoch}",'
            f'"reset":{_flag(page.start.reset)},"restored":{_flag(page.start.restored)},'
            f'"unread_count":{page.unread_count},"server_time":{self.server_time}}}'
        )

    def response(self) -> SyncResponse:
        """Return the answer as its readers see it."""
        return SyncResponse.model_validate_json(self.text())


def _flag(value: bool) -> str:
    return "true" if value else "false"


def answer(
    connection: Connection, identity: Identity, registry: Registry, asked: SyncRequest, now: int
) -> SyncResponse:
    """Push, then pull, in the transaction of `connection`; `now` is in microseconds.

    Where there is nothing to push, a read transaction is enough.
    """
    return answer_all(connection, registry, [Exchange(identity, asked, now)])[0].response()


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
    pushes = [exchange.push(registry) for exchange in exchanges if exchange.request.actions]
    if pushes:
        group = push(connection, space_id, registry, pushes)
    else:
        group = Group([], read_history(connection, space_id), [])
    history = group.history
    nothing = Pushed([], history.newest, history.newest)
    rest = iter(group.pushed)
    pushed = [next(rest) if exchange.request.actions else nothing for exchange in exchanges]
    positions = [
        exchange.position(history, done.began_at)
        for exchange, done in zip(exchanges, pushed, strict=True)
    ]
    pages = pull(connection, space_id, history, positions, group.rows)
    return [
        exchange.answer(done, page, history.epoch)
        for exchange, done, page in zip(exchanges, pushed, pages, strict=True)
    ]

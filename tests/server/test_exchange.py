"""Exchanges answered together: each gets what it would get alone, in the order they came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from app.core.actions import registry
from app.protocol import SyncRequest, SyncResponse
from server.database import Database
from server.exchange import Exchange, answer_all
from server.identity import LOCAL, Identity
from server.tables import clients, receipts, rows, spaces
from tests.server.builders import action, message, request
from tests.server.conftest import MakeDatabase, migrated
from tests.server.watching import watching

ELSEWHERE = Identity("elsewhere", "somebody")


def exchange(body: dict[str, Any], identity: Identity = LOCAL, now: int = 1) -> Exchange:
    return Exchange.of(registry, identity, SyncRequest.model_validate(body), now)


def together(database: Database, *exchanges: Exchange) -> list[SyncResponse]:
    answers = database.write(lambda connection: answer_all(connection, registry, exchanges))
    return [answer.response() for answer in answers]


def alone(database: Database, *exchanges: Exchange) -> list[SyncResponse]:
    return [together(database, exchange)[0] for exchange in exchanges]


@pytest.fixture
def other_database(make_database: MakeDatabase) -> Iterator[Database]:
    with migrated(make_database()) as database:
        yield database


def emptied(database: Database) -> Database:
    def empty(connection: Connection) -> None:
        for table in (receipts, clients, rows, spaces):
            connection.execute(table.delete())

    database.write(empty)
    return database


@pytest.fixture(params=[1, 64])
def enough(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what a group writes sent bit by bit, or all at the end."""
    monkeypatch.setattr("server.saving.ENOUGH", request.param)


def verdicts(answers: list[SyncResponse]) -> list[list[str]]:
    return [[result.verdict for result in answer.results] for answer in answers]


def test_same_push_twice_in_a_group_has_one_effect(database: Database) -> None:
    push = exchange(request(message(1)))
    first, again = together(database, push, push)
    assert verdicts([first, again]) == [["applied"], ["duplicate"]]
    assert first.results[0].row == again.results[0].row


def test_push_sees_what_the_one_before_it_in_the_group_wrote(database: Database) -> None:
    one = exchange(request(action(1, data={"t": 1}), client="one"))
    two = exchange(request(action(1, "update", base_version=None), client="two"))
    answers = together(database, one, two)
    assert verdicts(answers) == [["applied"], ["conflict"]]
    assert answers[1].results[0].row == answers[0].results[0].row


def test_settling_holds_for_the_rest_of_the_group(database: Database) -> None:
    first = exchange(request(message(1)))
    settling = exchange(request(message(3), settled_through=2))
    late = exchange(request(message(2)))
    assert verdicts(together(database, first, settling, late))[2] == ["rejected"]
    left = database.read(lambda c: [row.seq for row in c.execute(receipts.select())])
    assert left == [3]


def test_all_of_a_group_are_pulled_with_one_query(database: Database) -> None:
    together(database, exchange(request(*(message(seq) for seq in range(1, 60)), client="old")))
    queries: list[str] = []
    bodies = [
        request(message(n, item=f"new{n}"), client=f"c{n}", cursor=f"c{n}") for n in range(1, 60)
    ]
    with watching(queries.append):
        answers = together(database, *(exchange({**b, "limit": 200}) for b in bodies))
    assert [len(answer.rows) for answer in answers] == [118 - n for n in range(1, 60)]
    assert len(queries) < 12


def test_spaces_and_users_do_not_meet(database: Database) -> None:
    body = request(message(1, "Ours"))
    other = request(message(1, "Theirs"))
    ours, theirs = together(database, exchange(body), exchange(other, ELSEWHERE))
    assert verdicts([ours, theirs]) == [["applied"], ["applied"]]
    assert [row.data for row in theirs.rows] == [{"text": "Theirs", "sent_at": 1_760_000_000_000}]
    assert ours.cursor == theirs.cursor == f"c{ours.epoch}.1"
    same_space = Identity(LOCAL.space_id, "somebody")
    (answer,) = together(database, exchange(request(message(1, "New", item="m2")), same_space))
    assert answer.results[0].verdict == "applied"
    assert answer.results[0].row is not None
    assert answer.results[0].row.updated_by == "somebody"


def without_epoch(answer: SyncResponse) -> dict[str, Any]:
    """Return an answer as it would be in any database that holds the same."""
    fields = answer.model_dump(exclude={"epoch"})
    return {**fields, "cursor": answer.cursor.replace(answer.epoch, "")}


kinds = st.sampled_from(["create", "update", "delete"])
moves = st.lists(
    st.tuples(
        st.sampled_from(["one", "two"]),
        st.lists(
            st.tuples(st.integers(1, 9), kinds, st.sampled_from(["n1", "n2"])),
            max_size=3,
        ),
        st.none() | st.integers(0, 6),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.usefixtures("enough")
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves)
def test_verdicts_and_rows_are_those_of_exchanges_made_one_by_one(
    database: Database, other_database: Database, moves: list[Any]
) -> None:
    exchanges = [
        exchange(
            request(
                *(action(seq, kind, item, data={"by": client}) for seq, kind, item in actions),
                client=client,
                cursor=None if after is None else f"c{after}",
                limit=limit,
            )
        )
        for client, actions, after, limit in moves
    ]
    one, other = emptied(database), emptied(other_database)
    grouped, single = together(one, *exchanges), alone(other, *exchanges)
    assert verdicts(grouped) == verdicts(single)
    assert [answer.results for answer in grouped] == [answer.results for answer in single]
    last = exchange(request(client="reader"))
    assert together(one, last)[0].rows == together(other, last)[0].rows
    assert without_epoch(grouped[-1]) == without_epoch(single[-1])

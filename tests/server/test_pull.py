"""What a pull returns: order, pages, cursors, and the count of unread messages."""

from __future__ import annotations

import asyncio

import pytest

from tests.server.builders import action, message
from tests.server.conftest import Api


async def test_rows_come_in_the_order_of_their_last_change(api: Api) -> None:
    await api.sync(message(1), message(2), message(3))
    await api.sync(action(4, "update", "m1", collection="messages", data={"text": "Edited"}))
    pulled = (await api.sync(client="c2"))["rows"]
    assert [row["id"] for row in pulled] == ["m2", "m3", "m1"]
    times = [row["updated_at"] for row in pulled]
    assert times == sorted(set(times))


async def test_pages_together_hold_every_row_once(api: Api) -> None:
    await api.sync(*(message(seq) for seq in range(1, 8)))
    seen: list[str] = []
    cursor, more, pages = None, True, 0
    while more:
        page = await api.sync(client="c2", cursor=cursor, limit=3)
        assert page["unread_count"] == 7 - len(seen)
        seen += [row["id"] for row in page["rows"]]
        cursor, more, pages = page["cursor"], page["has_more"], pages + 1
    assert seen == [f"m{seq}" for seq in range(1, 8)]
    assert pages == 3
    assert (await api.sync(client="c2", cursor=cursor))["rows"] == []


async def test_page_that_just_fits_has_no_more(api: Api) -> None:
    await api.sync(message(1), message(2))
    page = await api.sync(client="c2", limit=2)
    assert not page["has_more"]


async def test_deleted_rows_are_pulled_as_tombstones(api: Api) -> None:
    await api.sync(action(1), action(2, "delete"))
    (row,) = (await api.sync(client="c2"))["rows"]
    assert row["deleted"]
    assert row["data"] is None


async def test_unread_are_the_live_messages_of_others(api: Api) -> None:
    await api.sync(message(1), message(2), message(3), action(4, item="n1"), client="c1")
    await api.sync(action(5, "delete", "m1", collection="messages"), client="c1")
    assert (await api.sync(client="c1"))["unread_count"] == 0
    pulled = await api.sync(message(1, item="own"), client="c2")
    assert pulled["unread_count"] == 2
    assert (await api.sync(client="c2", cursor=pulled["cursor"]))["unread_count"] == 0
    assert (await api.sync(client="c2", limit=1))["unread_count"] == 2


async def test_cursor_stays_where_it_is_when_nothing_is_new(api: Api) -> None:
    cursor = (await api.sync())["cursor"]
    assert (await api.sync(cursor=cursor))["cursor"] == cursor


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "c-1", "c01", "c1 ", "c1\n", "c" + "9" * 17, "1", "c٣", "c1.2", "c1.2.3"]
    + ["c0123456789abcdef", "c0123456789ABCDEF.1", "c0123456789abcdef.01", "c.1"],
)
async def test_text_that_is_no_cursor_is_refused_by_field(api: Api, cursor: str) -> None:
    answer = await api.post({"protocol": 1, "client_id": "c1", "cursor": cursor})
    assert answer.status_code == 422
    assert list(answer.json()["error"]["fields"]) == ["cursor"]


async def test_unread_are_counted_among_the_next_versions_only(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.pull.MOST_UNREAD", 5)
    await api.sync(*(message(seq) for seq in range(1, 10)), client="c1")
    assert (await api.sync(client="c2", limit=2))["unread_count"] == 5
    assert (await api.sync(client="c2"))["unread_count"] == 9


async def test_rows_of_a_group_of_pushes_come_once_and_as_they_are_at_its_end(api: Api) -> None:
    old = await api.sync(message(1), action(2, item="n1", data={"t": 1}), client="c0")
    pushes = [
        api.sync(message(1, item=f"new{n}"), client=f"c{n}", cursor=old["cursor"])
        for n in range(1, 6)
    ]
    pushes.append(api.sync(action(3, "update", "n1", data={"t": 2}), client="c0"))
    answers = await asyncio.gather(*pushes)
    last = max(answers, key=lambda answer: len(answer["rows"]))
    everything = (await api.sync(client="reader"))["rows"]
    assert [row["version"] for row in everything] == [1, *range(3, 9)]
    assert last["rows"] in (everything, everything[1:])

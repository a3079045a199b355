"""Forgetting tombstones: nobody who missed one goes on as if the row were still there."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from app.core.actions import registry
from app.protocol import SyncRequest
from server.cli import main
from server.compaction import compact
from server.exchange import answer
from server.identity import LOCAL
from server.tables import receipts, rows
from tests.server.builders import action, message, request
from tests.server.conftest import Api
from tests.server.live import ROOT

DAY = 24 * 3600 * 1_000_000


def forget(api: Api, days: int = 90) -> int:
    return compact(api.services.database, days, api.clock())


async def pull_all(api: Api, cursor: str | None, limit: int = 500) -> tuple[list[str], bool]:
    """Return the ids of the live rows of a whole pull, and whether it was a reset."""
    page = await api.sync(client="reader", cursor=cursor, limit=limit)
    found: list[dict[str, Any]] = page["rows"]
    reset: bool = page["reset"]
    pages = 1
    while page["has_more"]:
        page = await api.sync(client="reader", cursor=page["cursor"], limit=limit)
        found += page["rows"]
        assert not page["reset"]
        pages += 1
        assert pages < 50
    return [row["id"] for row in found if not row["deleted"]], reset


async def test_only_old_tombstones_go(api: Api) -> None:
    await api.sync(action(1), action(2, "delete"), message(3))
    api.clock.now += 60 * DAY
    await api.sync(action(4, item="n2"), action(5, "delete", "n2"))
    api.clock.now += 60 * DAY
    assert forget(api) == 1
    assert forget(api) == 0
    assert api.count(rows) == 2
    assert api.count(receipts) == 5


async def test_client_from_before_a_forgotten_deletion_is_reset_to_the_complete_rows(
    api: Api,
) -> None:
    await api.sync(message(1), message(2))
    old = (await api.sync(client="reader"))["cursor"]
    await api.sync(action(3, "delete", "m1", collection="messages"))
    between = (await api.sync())["cursor"]
    await api.sync(message(4))
    assert (await pull_all(api, old)) == (["m4"], False)
    api.clock.now += 100 * DAY
    assert forget(api) == 1
    assert (await pull_all(api, old)) == (["m2", "m4"], True)
    assert (await pull_all(api, between)) == (["m4"], False)
    assert (await pull_all(api, None)) == (["m2", "m4"], False)


@pytest.mark.parametrize("cursor", [None, "c1"])
async def test_long_pull_from_zero_passes_the_horizon_without_another_reset(
    api: Api, cursor: str | None
) -> None:
    """Its first pages lie below the horizon; they are complete all the same."""
    await api.sync(*(message(seq) for seq in range(1, 10)))
    await api.sync(action(10, "delete", "m9", collection="messages"))
    api.clock.now += 100 * DAY
    forget(api)
    ids, reset = await pull_all(api, cursor, limit=2)
    assert ids == [f"m{seq}" for seq in range(1, 9)]
    assert reset is (cursor is not None)


async def test_pull_under_way_while_a_deletion_is_forgotten_starts_anew(api: Api) -> None:
    await api.sync(*(message(seq) for seq in range(1, 6)))
    page = await api.sync(client="reader", limit=2)
    assert [row["id"] for row in page["rows"]] == ["m1", "m2"]
    await api.sync(action(6, "delete", "m1", collection="messages"))
    api.clock.now += 100 * DAY
    forget(api)
    assert await pull_all(api, page["cursor"]) == (["m2", "m3", "m4", "m5"], True)


async def test_change_of_a_forgotten_row_is_refused_and_deleting_it_succeeds(api: Api) -> None:
    await api.sync(action(1), action(2, "delete"))
    api.clock.now += 100 * DAY
    forget(api)
    late = [action(1, "update", base_version=1), action(2, "delete", base_version=1)]
    assert await api.verdicts(late[0], client="late") == ["rejected"]
    assert await api.verdicts(late[1], client="late") == ["applied"]
    assert await api.verdicts(action(1)) == ["duplicate"]


async def test_versions_go_on_after_the_newest_row_was_forgotten(api: Api) -> None:
    await api.sync(action(1), action(2, "delete"))
    api.clock.now += 100 * DAY
    cursor = (await api.sync())["cursor"]
    forget(api)
    answer = await api.sync(message(3), cursor=cursor)
    assert [row["version"] for row in answer["rows"]] == [3]
    assert not answer["reset"]


def test_command_says_how_many_went(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ROOT, ["--database", database_url, "compact"]) == 0
    assert capsys.readouterr().out == (
        "0 tombstones and 0 answers to REST writes older than 90 days were deleted.\n"
    )


@pytest.mark.parametrize("days", ["-1", "many", "99999999999"])
def test_age_that_makes_no_sense_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], days: str
) -> None:
    url = f"sqlite:///{tmp_path / 'server.db'}"
    assert main(ROOT, ["--database", url, "compact", f"--older-than={days}"]) == 1
    assert "older-than" in capsys.readouterr().err


async def test_deletion_that_commits_while_others_are_forgotten_is_not_lost(
    api: Api,
) -> None:
    """Between finding what is old and deleting it, another server deletes one more item."""
    await api.sync(*(message(seq) for seq in range(1, 4)))
    await api.sync(action(4, "delete", "m1", collection="messages"))
    cursor = (await api.sync(client="reader"))["cursor"]
    database = api.services.database
    late = SyncRequest.model_validate(request(action(5, "delete", "m2", collection="messages")))

    def delete_late() -> None:
        database.write(lambda c: answer(c, LOCAL, registry, late, api.clock()))

    threads: list[threading.Thread] = []

    def meddle(_c: Any, _cursor: Any, sql: str, _p: Any, _context: Any, _many: bool) -> None:
        if sql.startswith("SELECT max(") and not threads:
            threads.append(threading.Thread(target=delete_late))
            threads[0].start()
            threads[0].join(0.3)  # it has to wait for the lock

    event.listen(database.engine, "after_cursor_execute", meddle)
    assert compact(database, 0, api.clock() + DAY) == 1
    threads[0].join(10)
    assert await pull_all(api, cursor) == ([], False)
    (row,) = (await api.sync(client="reader", cursor=cursor))["rows"]
    assert (row["id"], row["deleted"]) == ("m2", True)

"""The history that a cursor belongs to: databases made anew, and put back from a backup."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import make_url

from scripts.cluster import Cluster
from server.app import create_app
from server.cli import main
from server.history import VERSIONS_SKIPPED, begin_epoch
from server.settings import Settings
from server.tables import receipts
from tests.server.builders import action, message, request
from tests.server.conftest import Api, MakeDatabase
from tests.server.live import ROOT


async def test_epoch_is_random_and_lasts_as_long_as_the_database(
    api: Api, settings: Settings, make_database: MakeDatabase
) -> None:
    epoch = (await api.sync())["epoch"]
    assert len(epoch) == 16
    assert (await api.http.get("/api/health")).json()["epoch"] == epoch
    again = create_app(settings)
    other = create_app(replace(settings, database=make_database()))
    assert again.state.services.epoch == epoch
    assert other.state.services.epoch != epoch
    for app in (again, other):
        app.state.services.close()


async def test_cursor_of_this_history_is_followed(api: Api) -> None:
    first = await api.sync(message(1))
    assert first["cursor"] == f"c{first['epoch']}.1"
    await api.sync(message(2))
    pulled = await api.sync(cursor=first["cursor"])
    assert [row["id"] for row in pulled["rows"]] == ["m2"]
    assert not pulled["reset"]


async def test_cursor_without_an_epoch_is_of_this_history(api: Api) -> None:
    await api.sync(message(1), message(2))
    pulled = await api.sync(cursor="c1")
    assert [row["id"] for row in pulled["rows"]] == ["m2"]
    assert not pulled["reset"]


async def test_first_pull_is_no_reset(api: Api) -> None:
    await api.sync(message(1))
    assert not (await api.sync(cursor=None))["reset"]


@pytest.mark.parametrize("cursor", ["c0123456789abcdef.0", "c0123456789abcdef.1", "c999"])
async def test_cursor_of_another_history_pulls_everything(api: Api, cursor: str) -> None:
    await api.sync(message(1))
    pulled = await api.sync(client="c2", cursor=cursor)
    assert [row["id"] for row in pulled["rows"]] == ["m1"]
    assert pulled["reset"]
    assert not (await api.sync(client="c2", cursor=pulled["cursor"]))["reset"]


async def test_push_with_a_cursor_from_beyond_is_judged_and_does_not_hide_the_reset(
    api: Api,
) -> None:
    """The push itself lifts the counter to where the lost history was."""
    epoch = (await api.sync(message(1)))["epoch"]
    push = [message(2), message(3)]
    answer = await api.sync(*push, cursor=f"c{epoch}.3")
    assert answer["reset"]
    assert [row["id"] for row in answer["rows"]] == ["m1", "m2", "m3"]
    assert [result["verdict"] for result in answer["results"]] == ["applied"] * 2
    again = await api.sync(*push, cursor="c" + "f" * 16 + ".7")
    assert again["reset"]
    assert [result["verdict"] for result in again["results"]] == ["duplicate"] * 2
    assert api.count(receipts) == 3


@pytest.fixture
def backup(
    kind: str, database_url: str, request: pytest.FixtureRequest
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return what copies the database, and what puts the copy in its place; no server runs."""
    if kind == "sqlite":
        file = Path(database_url.removeprefix("sqlite:///"))
        copy = file.with_name("copy.db")

        def restore() -> None:
            shutil.copy(copy, file)
            for leftover in file.parent.glob("server.db-*"):
                leftover.unlink()

        def save() -> None:
            shutil.copy(file, copy)

        return save, restore
    cluster: Cluster = request.getfixturevalue("cluster")
    name = make_url(database_url).database

    def copy_to(target: str | None, source: str | None) -> None:
        # PostgreSQL's process of a connection lives on for a moment after that was closed.
        cluster.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)")
        cluster.cut_off(str(source))
        cluster.execute(f"CREATE DATABASE {target} TEMPLATE {source}")

    return lambda: copy_to("copy", name), lambda: copy_to(name, "copy")


async def test_restored_backup_keeps_pushes_once_and_says_what_was_lost(
    settings: Settings, backup: tuple[Callable[[], None], Callable[[], None]]
) -> None:
    """A client that saw more than the backup holds starts anew; what is unsettled runs again."""
    save, restore = backup

    async def sync(*actions: dict[str, Any], cursor: str | None = None) -> dict[str, Any]:
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as http,
        ):
            body = request(*actions, cursor=cursor)
            answer: dict[str, Any] = (await http.post("/api/sync", json=body)).json()
            return answer

    await sync(message(1))
    save()
    seen = await sync(message(2), message(3))
    restore()
    cursor = str(seen["cursor"])
    answer = await sync(message(3), cursor=cursor)
    assert answer["reset"]
    assert answer["epoch"] == seen["epoch"]
    assert [row["id"] for row in answer["rows"]] == ["m1", "m3"]


async def test_new_epoch_resets_everyone_and_gives_no_version_out_twice(api: Api) -> None:
    old = await api.sync(message(1))
    epoch = api.services.database.write(begin_epoch)
    answer = await api.sync(message(2), cursor=old["cursor"])
    assert answer["reset"]
    assert answer["epoch"] == epoch != old["epoch"]
    assert [row["version"] for row in answer["rows"]] == [1, VERSIONS_SKIPPED + 2]
    assert answer["cursor"] == f"c{epoch}.{VERSIONS_SKIPPED + 2}"


async def test_pages_of_a_reset_hold_every_row_once(api: Api) -> None:
    await api.sync(*(message(seq) for seq in range(1, 8)))
    page = await api.sync(client="c2", cursor="c99", limit=3)
    seen = [row["id"] for row in page["rows"]]
    resets = [page["reset"]]
    while page["has_more"]:
        page = await api.sync(client="c2", cursor=page["cursor"], limit=3)
        seen += [row["id"] for row in page["rows"]]
        resets.append(page["reset"])
    assert seen == [f"m{seq}" for seq in range(1, 8)]
    assert resets == [True, False, False]


async def test_edit_from_a_lost_history_is_a_conflict_and_never_lost(api: Api) -> None:
    await api.sync(action(1, data={"t": 1}), client="other")
    edit = action(1, "update", base_version=12, data={"t": 2})
    answer = await api.sync(edit, cursor="c12")
    assert answer["reset"]
    assert [result["verdict"] for result in answer["results"]] == ["conflict"]


def test_command_gives_the_database_a_new_epoch(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for _ in range(2):
        assert main(ROOT, ["--database", database_url, "new-epoch"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0].startswith("The database's epoch is now ")
    assert said[0] != said[1]

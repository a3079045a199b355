"""The start loads the app, and lets the browser have turns meanwhile."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import pairwise
from types import ModuleType

import pytest

from app import start


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is loaded, and when the browser has turns; `app.main` is replaced by a stand-in."""
    lines: list[str] = []

    async def main() -> None:
        lines.append("main")

    app_main = ModuleType("app.main")
    vars(app_main)["main"] = main
    monkeypatch.setitem(sys.modules, "app.main", app_main)
    monkeypatch.setattr(start, "import_module", lines.append)
    return lines


def let_python_wait(monkeypatch: pytest.MonkeyPatch, log: list[str], *, in_an_import: bool) -> None:
    """Put a stand-in in place of `app.browser.turns`, which needs the page."""

    @contextmanager
    def given() -> Iterator[None]:
        log.append("turns from here")
        yield
        log.append("to here")

    turns = ModuleType("app.browser.turns")
    vars(turns).update(can_be_given=lambda: in_an_import, given=given)
    monkeypatch.setitem(sys.modules, "app.browser.turns", turns)


def test_every_piece_is_a_module() -> None:
    assert [piece for piece in start.PIECES if find_spec(piece) is None] == []
    assert start.PIECES[-1] == "app.main"


async def test_app_is_imported_at_once_where_python_can_wait_in_an_import(
    monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    let_python_wait(monkeypatch, log, in_an_import=True)
    await start.start()
    assert log == ["turns from here", "app.main", "to here", "main"]


async def test_elsewhere_there_is_a_turn_between_any_two_pieces(
    monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    async def others() -> None:
        while log.count("main") == 0:
            log.append("turn")
            await asyncio.sleep(0)

    let_python_wait(monkeypatch, log, in_an_import=False)
    beside = asyncio.ensure_future(others())
    await start.start()
    await beside
    done = [line for line in log if line != "turn"]
    assert done == [*start.PIECES, "main"]
    assert all("turn" in log[log.index(one) : log.index(two)] for one, two in pairwise(done))

"""The start loads the app in pieces, and lets the browser have a turn between them."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from types import ModuleType

import pytest

from app import start


@pytest.fixture(autouse=True)
def collecting_again() -> Iterator[None]:
    """Have garbage looked for again behind a test, as `app.main` does on the page."""
    yield
    gc.enable()


def test_every_piece_is_a_module() -> None:
    assert [piece for piece in start.PIECES if find_spec(piece) is None] == []
    assert start.PIECES[-1] == "app.main"


async def test_there_is_a_turn_between_any_two_pieces_and_no_look_for_garbage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[str] = []

    async def others() -> None:
        while log.count("main") == 0:
            log.append("turn")
            await asyncio.sleep(0)

    async def main() -> None:
        assert not gc.isenabled()
        log.append("main")

    app_main = ModuleType("app.main")
    vars(app_main)["main"] = main
    monkeypatch.setitem(sys.modules, "app.main", app_main)
    monkeypatch.setattr(start, "import_module", log.append)
    beside = asyncio.ensure_future(others())
    await start.start()
    await beside
    done = [line for line in log if line != "turn"]
    assert done == [*start.PIECES, "main"]
    assert all("turn" in log[log.index(one) : log.index(two)] for one, two in pairwise(done))

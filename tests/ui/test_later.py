"""The other views are loaded in moments when nothing else is to be done."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from app.ui import later


def test_every_piece_is_a_module() -> None:
    assert [piece for piece in later.LATER if find_spec(piece) is None] == []


async def test_other_views_are_loaded_piece_by_piece_in_idle_moments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[str] = []

    async def idle() -> None:
        log.append("idle")

    async def open_view(view: str) -> None:
        log.append(view)

    monkeypatch.setattr(later, "import_module", log.append)
    await later.prepare(["notes", "outbox"], open_view, idle)
    assert log[::2] == ["idle"] * (len(later.LATER) + 2)
    assert log[1::2] == [*later.LATER, "notes", "outbox"]

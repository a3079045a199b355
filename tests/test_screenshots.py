"""The pictures are complete: every view in every state, and no file that nobody declared."""

from __future__ import annotations

from pathlib import Path

from app.ui.routes import VIEWS
from tests.browser.pictures.catalogue import (
    ALIKE,
    EVERYWHERE,
    SCHEMES,
    SIZES,
    STATES,
    pictures,
)
from tests.browser.pictures.scenes import SCENES

FOLDER = Path(__file__).resolve().parents[1] / "docs/screenshots"
MOST_BYTES = 4_000_000
PARTS = ("note", "merge", "status")
"""What is pictured besides the views."""


def test_every_view_is_pictured_in_every_state_or_says_where_it_looks_the_same() -> None:
    for state in STATES.keys() - set(EVERYWHERE):
        for view in VIEWS:
            alike = ALIKE.get((view, state))
            assert (view in STATES[state]) != (alike is not None), f"{view}, {state}"
            assert alike is None or view in STATES[alike], f"{view}, {state}: {alike}"


def test_states_are_those_that_are_designed() -> None:
    designed = {"empty", "loading", "offline", "failed", "conflict", "error", "memory"}
    assert designed <= STATES.keys()
    assert STATES.keys() == SCENES.keys()
    assert {route for routes in STATES.values() for route in routes} == {*VIEWS, *PARTS}


def test_pictures_are_of_a_phone_and_a_desktop_light_and_dark() -> None:
    assert set(SIZES) == {360, 1280}
    assert set(SCHEMES) == {"light", "dark"}
    names = [picture.name for picture in pictures()]
    assert "note-conflict-360-dark.webp" in names
    assert len(names) == len(set(names)) == 4 * sum(map(len, STATES.values()))


def test_folder_holds_exactly_the_declared_pictures_and_stays_small() -> None:
    kept = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert kept.keys() == {picture.name for picture in pictures()}
    assert sum(kept.values()) < MOST_BYTES

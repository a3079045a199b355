"""What is said of notes and their conflicts."""

from __future__ import annotations

from datetime import datetime

import pytest

from app.core.notes import Note
from app.ui.note_words import (
    choice_words,
    conflict_text,
    excerpt,
    found_text,
    matches,
    note_state,
    resolution_text,
    title_text,
    when_text,
)

NOW = datetime(2026, 11, 25, 18, 30).astimezone()


def milliseconds(when: datetime) -> int:
    return round(when.timestamp() * 1000)


@pytest.mark.parametrize(
    ("note", "title"),
    [
        (Note(title="Hut", body="Key under the stone"), "Hut"),
        (Note(body="\nKey under the stone\nand more"), "Key under the stone"),
        (Note(title="  "), "Untitled note"),
    ],
)
def test_a_note_is_called_by_its_title_or_else_by_how_it_begins(note: Note, title: str) -> None:
    assert title_text(note) == title


def test_excerpt_is_one_line_and_not_the_title_again() -> None:
    assert excerpt(Note(title="Hut", body="Key\n under the   stone")) == "Key under the stone"
    assert excerpt(Note(body="Key under the stone")) == ""
    long = excerpt(Note(title="Hut", body="word " * 100))
    assert len(long) <= 140
    assert long.endswith("…")


def test_search_finds_each_word_anywhere_whatever_its_case() -> None:
    note = Note(title="Hut", body="Key under the STONE")
    assert matches(note, "")
    assert matches(note, "stone hut")
    assert matches(note, "KEY")
    assert not matches(note, "stone river")


def test_state_says_whether_it_is_on_its_way_or_waits() -> None:
    assert note_state("pending", offline=True) == "Waiting to send"
    assert note_state("pending", offline=False) == "Sending…"
    assert note_state("conflict", offline=False) == "Conflict"


def test_time_of_change_is_a_clock_time_today_and_else_a_day() -> None:
    today, before = milliseconds(NOW.replace(hour=7, minute=5)), milliseconds(NOW) - 86_400_000
    assert when_text(today * 1000, NOW) == "07:05"
    assert when_text(before * 1000, NOW) == "Yesterday"
    assert when_text(0, NOW) == ""


def test_search_result_is_said_for_those_who_cannot_see_the_list() -> None:
    assert found_text(2, "hut") == "2 notes found."
    assert found_text(1, "hut") == "1 note found."
    assert found_text(0, " hut ") == "No note contains “hut”."
    assert found_text(5, "  ") == ""


@pytest.mark.parametrize(
    ("kind", "words", "sentence"),
    [
        ("edit", ("Keep mine", "Use server"), "changed the title and body"),
        ("deleted_there", ("Restore", "Delete"), "somebody else deleted it"),
        ("deleted_here", ("Delete", "Restore"), "You deleted this note"),
    ],
)
def test_conflict_of_each_kind_has_words_of_its_own(
    kind: str, words: tuple[str, str], sentence: str
) -> None:
    assert choice_words(kind) == words
    assert sentence in conflict_text(kind, ["title", "body"])


def test_history_says_who_chose_what_and_when() -> None:
    moment = milliseconds(NOW.replace(hour=7, minute=5))
    assert resolution_text("merge", "Ada", moment, NOW) == "Ada merged both versions · Today, 07:05"
    assert resolution_text("mine", "", moment, NOW).startswith("Somebody kept their own version")

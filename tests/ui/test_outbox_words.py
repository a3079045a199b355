"""What the outbox says of an entry, in each state."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from app.core.entry import DAMAGED, Entry
from app.protocol import Action, Problem
from app.sync.connection import ConnectionState
from app.sync.report import Status
from app.ui.outbox_words import (
    abilities,
    attempts_text,
    card,
    discard_text,
    duration_text,
    file_name,
    imported_text,
    kind_text,
    label_text,
    next_attempt_text,
    state_text,
    summary_text,
)

NOW = 1_800_000_000_000
TODAY = date(2027, 1, 15)
ONLINE = Status(ConnectionState("connected"))
OFFLINE = Status(ConnectionState("disconnected"), next_attempt_at=NOW + 12_000, last_error="No.")


def entry(seq: int = 1, data: dict[str, Any] | None = None, **changes: Any) -> Entry:
    known = {"type": "send_message", "collection": "messages", "item_id": f"item-{seq}"}
    known |= {name: changes.pop(name) for name in known if name in changes}
    action = Action(id=f"a{seq}", seq=seq, data=data, created_at=NOW, **known)
    return Entry(id=f"a{seq}", seq=seq, action=action.model_dump_json(), **known, **changes)


@pytest.mark.parametrize(
    ("action_type", "collection", "words"),
    [
        ("send_message", "messages", "Send message"),
        ("create", "notes", "New note"),
        ("update", "notes", "Change note"),
        ("delete", "notes", "Delete note"),
        ("create", "shopping_lists", "New item of shopping lists"),
        ("upload_photo", "photos", "Upload photo"),
    ],
)
def test_type_is_in_words(action_type: str, collection: str, words: str) -> None:
    assert kind_text(entry(type=action_type, collection=collection)) == words


@pytest.mark.parametrize(
    ("data", "base", "label"),
    [
        ({"text": "  Back at \n the hut "}, None, "Back at the hut"),
        ({"title": "Hut", "body": "Closed"}, None, "Hut"),
        ({"body": "Closed"}, {"title": "Hut"}, "Hut"),
        ({"title": " ", "body": "Closed"}, None, "Closed"),
        (None, {"title": "Hut"}, "Hut"),
        (None, None, "messages item-1"),
        ({"text": 7}, None, "messages item-1"),
        ({"text": "x" * 200}, None, "x" * 139 + "…"),
    ],
)
def test_item_is_called_by_its_text_or_title_else_by_collection_and_id(
    data: dict[str, Any] | None, base: dict[str, Any] | None, label: str
) -> None:
    assert label_text(entry(data=data, base=base)) == label


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("pending", "Waiting to send"),
        ("in_flight", "Sending…"),
        ("blocked", "Held back"),
        ("conflict", "In conflict"),
        ("failed", "Not sent"),
    ],
)
def test_each_state_has_words_and_a_waiting_entry_says_for_what(state: str, words: str) -> None:
    assert state_text(entry(state=state), ONLINE) == words
    if state == "pending":
        assert state_text(entry(state=state), OFFLINE) == "Waiting for a connection"
        held = Status(ConnectionState("connected"), hold="sign_in")
        assert state_text(entry(state=state), held) == "Sign in to send this"
    else:
        assert state_text(entry(state=state), OFFLINE) == words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Not tried yet"),
        ({"sent": True, "in_doubt": True}, "Tried, no answer yet"),
        ({"sent": True, "in_doubt": False}, "No attempt failed"),
        ({"attempts": 1}, "1 failed attempt"),
        ({"attempts": 2}, "2 failed attempts"),
        ({"state": "failed", "verdict": "rejected"}, "Refused by the server"),
        ({"state": "conflict"}, "Somebody else changed this meanwhile"),
    ],
)
def test_attempts_are_told_as_far_as_they_were_counted(changes: dict[str, Any], words: str) -> None:
    assert attempts_text(entry(**changes)) == words


def test_next_attempt_counts_down_to_the_later_of_its_own_time_and_the_engine_s() -> None:
    assert next_attempt_text(entry(), ONLINE, NOW) == "Next attempt now"
    later = entry(next_attempt_at=NOW + 3_000)
    assert next_attempt_text(later, ONLINE, NOW) == "Next attempt in 3 s"
    assert next_attempt_text(later, OFFLINE, NOW) == "Next attempt in 12 s"
    assert next_attempt_text(later, OFFLINE, NOW + 11_001) == "Next attempt in 1 s"
    assert next_attempt_text(later, OFFLINE, NOW + 12_000) == "Next attempt now"


def test_attempt_under_way_waits_for_no_pause_of_the_engine() -> None:
    trying = Status(OFFLINE.connection, syncing=True, next_attempt_at=NOW + 12_000)
    assert next_attempt_text(entry(), trying, NOW) == "Next attempt now"


@pytest.mark.parametrize("state", ["in_flight", "blocked", "conflict", "failed"])
def test_only_what_waits_for_its_turn_has_a_next_attempt(state: str) -> None:
    assert next_attempt_text(entry(state=state), OFFLINE, NOW) == ""


def test_held_queue_names_no_time() -> None:
    held = Status(ConnectionState("connected"), hold="update", next_attempt_at=NOW + 900_000)
    assert next_attempt_text(entry(), held, NOW) == "Next attempt after that"


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (1, "1 s"),
        (59_000, "59 s"),
        (59_001, "1 min 00 s"),
        (75_000, "1 min 15 s"),
        (3_600_000, "1 h 00 min"),
        (8_000_000, "2 h 13 min"),
    ],
)
def test_durations_are_in_the_units_that_people_use(milliseconds: int, words: str) -> None:
    assert duration_text(milliseconds) == words


def test_blocked_entry_names_what_it_waits_for() -> None:
    known = {seq: entry(seq, {"text": f"text {seq}"}) for seq in (1, 2, 3)}
    blocked = entry(4, state="blocked", waits_for=(1, 2, 3))
    shown = card(blocked, ONLINE, known, TODAY)
    assert shown.waits == "Waits for: Send message “text 1”, Send message “text 2”, 1 more"
    alone = card(entry(4, state="blocked", waits_for=(9,)), ONLINE, known, TODAY)
    assert alone.waits == "Waits for: an earlier change"
    assert card(entry(4), ONLINE, known, TODAY).waits == ""


def test_failed_entry_shows_the_reason_with_its_fields() -> None:
    problem = Problem(code="invalid", message="Some fields are not valid.", fields={"text": "No."})
    shown = card(entry(state="failed", error=problem), ONLINE, {}, TODAY)
    assert (shown.error, shown.fields) == ("Some fields are not valid.", (("text", "No."),))


@pytest.mark.parametrize(
    ("changes", "can"),
    [
        ({}, ("edit",)),
        ({"state": "blocked"}, ("edit",)),
        ({"state": "in_flight"}, ()),
        ({"state": "failed", "verdict": "rejected", "in_doubt": True}, ("retry", "edit")),
        ({"state": "failed", "in_doubt": True}, ("retry",)),
        ({"sent": True, "in_doubt": True}, ()),
        ({"state": "conflict", "collection": "notes"}, ("retry", "edit", "open")),
        ({"state": "failed", "data": None}, ("retry",)),
        ({"state": "failed", "damaged": {"seq": 1}, "error": DAMAGED}, ()),
    ],
)
def test_only_what_the_queue_would_do_is_offered(
    changes: dict[str, Any], can: tuple[str, ...]
) -> None:
    assert abilities(entry(**{"data": {"text": "x"}, **changes})) == can


def test_conflict_of_a_note_leads_to_the_note() -> None:
    shown = card(entry(state="conflict", collection="notes"), ONLINE, {}, TODAY)
    assert shown.address == "#/notes/item-1"
    assert card(entry(), ONLINE, {}, TODAY).address == ""


def test_discarding_says_what_it_means() -> None:
    assert "It was not sent" in discard_text(entry())
    assert "may have reached the server" in discard_text(entry(state="in_flight"))
    assert "may have reached the server" in discard_text(entry(in_doubt=True))
    assert "the one on the server stays" in discard_text(entry(state="conflict"))
    assert "depend on it will fail" in discard_text(entry(depended_on=True))


def test_summary_counts_what_waits_and_what_needs_a_person() -> None:
    assert summary_text(Status()) == "Nothing is waiting"
    assert summary_text(Status(pending=1_200, conflicts=1, failed=2)) == (
        "1,200 waiting · 1 conflict · 2 not sent"
    )


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((2, 0, 0), "2 changes were imported."),
        ((0, 0, 0), "Nothing new was imported."),
        ((0, 0, 1), "Nothing new was imported. 1 change is known here and was left out."),
        (
            (3, 1, 2),
            "3 changes were imported. 1 of them may have been sent before and waits for Retry. "
            "2 changes are known here and were left out.",
        ),
    ],
)
def test_what_came_of_a_file_is_told(counts: tuple[int, int, int], words: str) -> None:
    assert imported_text(*counts) == words


def test_exported_file_is_named_by_its_day() -> None:
    assert file_name(TODAY) == "driftline-outbox-2027-01-15.json"

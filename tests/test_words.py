"""The words for times: right on the days when clocks change, and past 2038."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.sync.connection import ConnectionState
from app.sync.report import Status
from app.ui.status_words import explain, facts, storage_note
from app.ui.words import (
    attention_text,
    clock_time,
    counter_text,
    day_text,
    is_waiting,
    last_synced_text,
    moment,
    says_restored,
    state_text,
    synced_text,
    trouble_text,
)

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]
LAST = int(datetime(9000, 1, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(params=ZONES)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make the machine live in a time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield str(request.param)
    monkeypatch.undo()
    time.tzset()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, LAST))
def test_f3_moment_is_the_same_instant_in_every_zone(zone: str, milliseconds: int) -> None:
    shown = moment(milliseconds)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert (shown - epoch) // timedelta(milliseconds=1) == milliseconds
    assert clock_time(shown) == f"{shown.hour:02}:{shown.minute:02}"


def at(year: int, month: int, day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize("zone", ["Europe/Berlin"], indirect=True)
@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (at(2026, 3, 29, 0, 59), "01:59"),
        (at(2026, 3, 29, 1, 0), "03:00"),
        (at(2026, 10, 25, 0, 30), "02:30"),
        (at(2026, 10, 25, 1, 30), "02:30"),
        (at(2038, 1, 19, 3, 14), "04:14"),
        (at(2050, 7, 1, 12, 0), "14:00"),
    ],
)
def test_f3_hours_that_clocks_skip_or_repeat_are_shown_as_clocks_show_them(
    zone: str, milliseconds: int, shown: str
) -> None:
    assert clock_time(moment(milliseconds)) == shown


@pytest.mark.parametrize("zone", ["Europe/Berlin"], indirect=True)
def test_f3_today_and_yesterday_go_by_the_calendar_also_when_a_day_has_23_hours(zone: str) -> None:
    today = moment(at(2026, 3, 29, 22, 30)).date()
    assert today == date(2026, 3, 30), "half past midnight, local time"
    assert day_text(moment(at(2026, 3, 29, 21, 30)).date(), today) == "Yesterday"
    assert day_text(moment(at(2026, 3, 28, 22, 30)).date(), today) == "Saturday, 28 March"
    assert day_text(today, today) == "Today"
    assert day_text(date(2038, 1, 19), today) == "Tuesday, 19 January 2038"


@pytest.mark.parametrize("milliseconds", [2**53 - 1, -(2**60), 10**30])
def test_f1_time_that_no_calendar_has_is_shown_as_one_and_breaks_nothing(milliseconds: int) -> None:
    assert moment(milliseconds).timestamp() == 0
    assert last_synced_text(milliseconds).startswith("Last synced at ")


def test_s06_held_queue_says_in_one_sentence_what_to_do_and_how_much_waits() -> None:
    held = Status(ConnectionState("connected"), pending=1_234, hold="sign_in", last_error="No.")
    assert trouble_text(held) == "Sign in to send 1,234. What you wrote is kept."


@pytest.mark.parametrize(("count", "words"), [(1, "1 item on"), (2_000, "2,000 items on")])
def test_s30_invalid_rows_are_named_in_words_online_and_offline(count: int, words: str) -> None:
    for state in ("connected", "disconnected"):
        said = trouble_text(Status(ConnectionState(state), invalid=count))
        assert said.startswith(words)
        assert "Nothing is lost" in said


CONNECTED = ConnectionState("connected")
DISCONNECTED = ConnectionState("disconnected")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status(), "The server is being asked."),
        (
            Status(pending=1),
            "The server is being asked. 1 change waits on this device and is sent once it answers.",
        ),
        (Status(CONNECTED), "Everything has been sent, and this device is up to date."),
        (
            Status(CONNECTED, pending=3, syncing=True),
            "This device is connected to the server. 3 changes are being sent.",
        ),
        (
            Status(CONNECTED, pending=1),
            "This device is connected to the server. 1 change waits for its turn.",
        ),
        (
            Status(DISCONNECTED, pending=1_234),
            "The server cannot be reached from here. 1,234 changes wait on this device and are "
            "sent when the connection is back.",
        ),
        (
            Status(ConnectionState("disconnected", no_server=True)),
            "The network works, but no Driftline server answers at its address.",
        ),
        (
            Status(CONNECTED, pending=1, last_error="Too busy."),
            "The server is there, but did not take what was sent. 1 change waits on this device "
            "and is tried again by itself.",
        ),
        (
            Status(CONNECTED, pending=2, hold="sign_in", last_error="No."),
            "The server asks you to sign in. 2 changes wait on this device until then.",
        ),
        (
            Status(CONNECTED, hold="update", last_error="No."),
            "The server asks for a newer version of the app.",
        ),
        (
            Status(CONNECTED, failed=1),
            "This device is connected to the server. 1 change was not sent: retry, edit or "
            "discard it in the outbox.",
        ),
        (
            Status(CONNECTED, failed=2, conflicts=1),
            "This device is connected to the server. 2 changes were not sent: retry, edit or "
            "discard them in the outbox. 1 change is in conflict: choose a version in the notes.",
        ),
    ],
)
def test_each_state_is_explained_with_what_there_is_to_do(status: Status, words: str) -> None:
    assert explain(status) == words


def test_times_and_reason_of_the_status_are_facts_beside_it() -> None:
    assert facts(Status()) == (("Last synced", "Not yet"),)
    time = at(2026, 7, 1, 12)
    failing = Status(CONNECTED, last_synced=time, last_error="No.", next_attempt_at=time + 90_000)
    assert dict(facts(failing)) == {
        "Last synced": clock_time(moment(time)),
        "Last error": "No.",
        "Next attempt": clock_time(moment(time + 90_000)),
    }
    held = Status(CONNECTED, hold="sign_in", last_error="No.", next_attempt_at=time)
    assert "Next attempt" not in dict(facts(held))


def test_storage_that_the_browser_may_clear_is_told_and_nothing_where_nobody_knows() -> None:
    assert "may clear what is stored here" in storage_note(False)
    assert storage_note(True) == storage_note(None) == ""


def test_s23_where_nothing_is_kept_no_words_promise_more_than_until_the_page_is_closed() -> None:
    sick = Status(CONNECTED, pending=1, last_error="Too busy.", durable=False)
    for status in (
        sick,
        Status(DISCONNECTED, pending=2, durable=False),
        Status(ConnectionState("connecting"), pending=2, durable=False),
        Status(CONNECTED, pending=2, hold="update", last_error="No.", durable=False),
        Status(CONNECTED, restored=True, durable=False),
    ):
        said = f"{trouble_text(status)} {explain(status)}"
        assert "on this device and" not in said
        assert "kept" not in said.replace("kept while this page is open", "")
    assert trouble_text(sick) == (
        "Too busy. What you wrote is kept while this page is open and is sent again until then."
    )
    assert explain(Status(DISCONNECTED, pending=1, durable=False)) == (
        "The server cannot be reached from here. 1 change waits in this page, while it is open, "
        "and is sent when the connection is back."
    )
    for persisted in (None, False, True):
        assert "closing this page loses" in storage_note(persisted, durable=False)


def test_note_on_a_backup_can_be_dismissed_exactly_while_it_is_said() -> None:
    restored = Status(CONNECTED, restored=True)
    assert says_restored(restored)
    assert "went back to an earlier backup" in trouble_text(restored)
    for other in (
        Status(CONNECTED),
        Status(CONNECTED, restored=True, last_error="Too busy."),
        Status(CONNECTED, restored=True, hold="sign_in"),
    ):
        assert not says_restored(other)
        assert "backup" not in trouble_text(other)


@pytest.mark.parametrize(
    ("status", "waiting"),
    [
        (Status(CONNECTED, syncing=True), False),
        (Status(CONNECTED), False),
        (Status(DISCONNECTED), True),
        (Status(CONNECTED, hold="sign_in"), True),
        (Status(CONNECTED, last_error="Too busy."), True),
        (Status(CONNECTED, last_error="Too busy.", syncing=True), False),
    ],
)
def test_message_says_that_it_waits_wherever_it_is_not_being_sent(
    status: Status, *, waiting: bool
) -> None:
    assert is_waiting(status) is waiting
    said = state_text("pending", waiting=is_waiting(status))
    assert said == ("Waiting to send" if waiting else "Sending…")


def test_text_is_counted_as_the_server_counts_it_in_characters_without_a_blank_end() -> None:
    assert counter_text("🏔" * 7_900 + " \n") == "7,900 of 8,000 characters"


def test_what_needs_a_person_is_announced_in_one_sentence() -> None:
    assert attention_text(Status(pending=3)) == ""
    assert attention_text(Status(failed=1)) == "1 change was not sent."
    assert attention_text(Status(failed=2, conflicts=1)) == (
        "2 changes were not sent, 1 change is in conflict."
    )


def test_time_of_the_last_synchronisation_stands_behind_the_connection() -> None:
    assert synced_text(None) == ""
    time = at(2026, 7, 1, 12)
    assert synced_text(time) == f"synced {clock_time(moment(time))}"

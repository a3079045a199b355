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
from app.ui.words import clock_time, day_text, last_synced_text, moment, trouble_text

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

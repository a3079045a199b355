"""The settings' words: sizes as people say them, and nothing claimed that is not so."""

from __future__ import annotations

from datetime import datetime

import pytest

from app.core.persistence import asks_nobody
from app.ports import StorageState
from app.ui.settings_words import (
    PROTECTED,
    REFUSED,
    UNKNOWN,
    UNPROTECTED,
    erase_text,
    export_name,
    persistence_text,
    saved_text,
    share_used,
    size_text,
    usage_text,
)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_960, "10 kB"),
        (999_499, "999 kB"),
        (999_600, "1.0 MB"),
        (23_411_243, "23 MB"),
        (10_760_829_483, "11 GB"),
        (3 * 10**15, "3000 TB"),
    ],
)
def test_sizes_are_shown_in_the_largest_unit_that_leaves_one_of_it(size: int, shown: str) -> None:
    assert size_text(size) == shown


@pytest.mark.parametrize(
    ("state", "words", "share"),
    [
        (StorageState(), "This browser does not say how much is stored.", 0.0),
        (StorageState(used=2_000), "2.0 kB used", 0.0),
        (StorageState(used=2_000, quota=0), "2.0 kB used", 0.0),
        (StorageState(used=2_000, quota=8_000), "2.0 kB used of about 8.0 kB", 0.25),
        (StorageState(used=9_000, quota=8_000), "9.0 kB used of about 8.0 kB", 1.0),
    ],
)
def test_storage_is_told_as_far_as_the_browser_tells_it(
    state: StorageState, words: str, share: float
) -> None:
    assert usage_text(state) == words
    assert share_used(state) == share


@pytest.mark.parametrize(
    ("persistent", "asked", "words"),
    [
        (True, False, PROTECTED),
        (True, True, PROTECTED),
        (False, False, UNPROTECTED),
        (False, True, REFUSED),
        (None, True, UNKNOWN),
    ],
)
def test_protection_is_claimed_only_where_the_browser_granted_it(
    persistent: bool | None, asked: bool, words: str
) -> None:
    assert persistence_text(StorageState(persistent=persistent), asked=asked) == words


def test_deleting_names_how_many_changes_would_be_lost() -> None:
    assert erase_text(0) == "Everything here has been sent: the server keeps it."
    assert erase_text(1).startswith("1 change was not sent. It exists only on this device")
    assert erase_text(1_200).startswith("1,200 changes were not sent. They exist only on")


def test_nothing_is_called_saved_where_nothing_is() -> None:
    assert saved_text(durable=True) == "Saved"
    assert saved_text(durable=False) == "Kept while this page is open"


def test_exports_are_named_by_the_minute_in_the_order_of_time() -> None:
    assert export_name(datetime(2026, 3, 9, 7, 5)) == "driftline-2026-03-09-0705.json"


@pytest.mark.parametrize(
    ("permission", "brands", "vendor", "quiet"),
    [
        ("prompt", ["Chromium", "Not-A.Brand"], "Google Inc.", True),
        ("prompt", [], "Apple Computer, Inc.", True),
        (None, [], "Apple Computer, Inc.", True),
        ("prompt", [], "", False),
        ("granted", [], "", True),
        ("denied", ["Chromium"], "Google Inc.", False),
        (None, [], "", False),
    ],
    ids=["Chromium", "Safari", "old Safari", "Firefox", "Firefox, agreed", "denied", "unknown"],
)
def test_storage_is_asked_for_by_itself_only_where_nobody_is_asked(
    permission: str | None, brands: list[str], vendor: str, quiet: bool
) -> None:
    assert asks_nobody(permission, brands, vendor) is quiet

"""What the browser is told of the status: how much waits, and what needs a person."""

from __future__ import annotations

from app.sync.connection import ConnectionState
from app.sync.report import Status
from app.sync.stores import Writable
from app.ui.outward import tell_browser


def test_badge_counts_what_is_unseen_and_what_needs_a_person_and_changes_with_them() -> None:
    status, badges = Writable(Status()), list[int]()
    tell_browser(status, lambda _waiting, _connected: None, badges.append)
    status.set(Status(unread=2))
    status.set(Status(unread=2, syncing=True, pending=3))
    status.set(Status(unread=2, failed=1, conflicts=1))
    status.set(Status())
    assert badges == [0, 2, 4, 0]


def test_browser_knows_how_much_waits_and_whether_it_can_be_sent_now() -> None:
    status, noted = Writable(Status()), list[tuple[int, bool]]()
    tell_browser(status, lambda *known: noted.append(known), lambda _count: None)
    status.set(Status(pending=3, connection=ConnectionState(status="connected")))
    assert noted == [(0, False), (3, True)]

"""Bringing the page into the states that tests and screenshots look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.browser.notes import Notes
from tests.browser.outbox import Outbox
from tests.browser.page import App

REFUSED = {
    "state": "failed",
    "verdict": "rejected",
    "error": {
        "code": "invalid",
        "message": "The log does not take this message.",
        "fields": {"text": "holds a word that is not allowed here"},
    },
}


def failing(app: App, text: str) -> App:
    """Return the page with a message that the server refused, with the reason that it gave."""
    app.wait_installed().wait_for_connection("connected").offline().send(text)
    return change_at_rest(app, {0: REFUSED}).online().wait_for_statuses("failed")


def change_at_rest(app: App, changes: Mapping[int, Mapping[str, Any]]) -> App:
    """Change stored entries while the app does not run in this tab, and start it again.

    A running one may be about to note that an attempt failed, and would write its own state over
    what is put there. The service worker has to be installed.
    """
    app.page.goto(f"{app.url}manifest.json")
    Outbox(app).change(changes)
    return app.goto().wait_ready()


def conflicting(
    mine: App,
    theirs: App,
    title: str = "Hut",
    bodies: tuple[str, str, str] = (
        "Key under the stone",
        "Key with the warden in the village",
        "Key with the warden at the lake",
    ),
) -> Notes:
    """Let two devices edit a note at the same time; return the one that is in conflict.

    `bodies` are what the note said before, mine, and theirs.
    """
    ours, others = Notes(mine), Notes(theirs)
    before, my_body, their_body = bodies
    ours.enter().write(title, before).wait_for_note("synced", title)
    others.enter().wait_for_note("synced", title)
    mine.offline()
    ours.edit(title, body=my_body)
    others.edit(title, body=their_body).wait_for_note("synced", title)
    mine.online()
    return ours.wait_for_note("conflict", title)

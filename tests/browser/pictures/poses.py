"""Going to what is pictured, by the routes' addresses and what a person taps there."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.notes import Notes
from tests.browser.page import App

OPENED = {
    "offline": "Weather",
    "failed": "Hut keys",
    "conflict": "Bridge 4",
    "synced": "Radio plan",
}
"""The note that is open in a state; elsewhere it is a new one."""


def pose(app: App, state: str, route: str) -> None:
    """Bring `route` into view, on a device that is in `state`."""
    if state == "loading":
        app.page.goto("about:blank")  # else only the fragment changes, and nothing is loaded
    if route in ("note", "merge"):
        _open_note(app, state)
        if route == "merge":
            Notes(app).choose("Merge")
    elif route == "status":
        _go(app, "messages")
        app.by_test_id("status-open").click()
        expect(app.by_test_id("status-popover")).to_be_visible()
    else:
        _go(app, route)


def _go(app: App, route: str) -> None:
    app.page.goto(f"{app.url}#/{route}")
    view = route.partition("/")[0]
    expect(app.page.locator("html")).to_have_attribute("data-route", view)
    expect(app.page.locator(f'[data-view="{view}"]')).to_be_visible()


def _open_note(app: App, state: str) -> None:
    notes = Notes(app)
    if state not in OPENED:
        _go(app, "notes/new")
        expect(notes.form).to_be_visible()
        return
    _go(app, "notes")
    notes.open(OPENED[state])
    expect(notes.conflict if state == "conflict" else notes.form).to_be_visible()

"""axe-core finds nothing, on any route, in either theme, in each state."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser.axe import violations
from tests.browser.conftest import OpenApp
from tests.browser.notes import Notes
from tests.browser.page import App
from tests.browser.servers import Server
from tests.browser.states import conflicting, failing

ROUTES = ("messages", "notes", "notes/new", "outbox", "settings")
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def check(app: App, state: str, *routes: str) -> None:
    """Fail with what axe finds on these routes, in both themes."""
    found: list[str] = []
    for route in routes or ROUTES:
        app.page.goto(f"{app.url}#/{route}")
        expect(app.page.locator("html")).to_have_attribute("data-route", route.split("/")[0])
        for theme in THEMES:
            app.page.emulate_media(color_scheme=theme)
            found += [f"{state}, {route}, {theme}: {line}" for line in violations(app.page)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_while_all_is_well_and_empty_or_full(
    server: Server, open_app: OpenApp, width: int
) -> None:
    app = open_app(server, viewport={"width": width, "height": 800})
    app.wait_for_connection("connected")
    check(app, "empty")
    app.page.goto(f"{app.url}#/messages")
    app.send("Back at the hut around 18:00.").wait_for_statuses("sent")
    Notes(app).enter().write("Hut", "Key under the stone").wait_for(("synced", "Hut"))
    note = app.page.url.partition("#/")[2]
    check(app, "synced", *ROUTES, note)


def test_axe_finds_nothing_offline_and_with_actions_waiting(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server).wait_installed().wait_for_connection("connected").offline()
    app.wait_for_connection("disconnected")
    app.send("Back at the hut around 18:00.").wait_for_statuses("pending")
    Notes(app).enter().write("Hut", "").wait_for(("pending", "Hut"))
    check(app, "offline")


def test_axe_finds_nothing_with_an_action_that_failed(server: Server, open_app: OpenApp) -> None:
    app = failing(open_app(server), "Back at the hut around 18:00.")
    check(app, "failed")


def test_axe_finds_nothing_with_a_conflict(server: Server, open_app: OpenApp) -> None:
    notes = conflicting(open_app(server), open_app(server))
    notes.open("Hut")
    expect(notes.conflict).to_be_visible()
    note = notes.page.url.partition("#/")[2]
    check(notes.app, "conflict", *ROUTES, note)
    notes.page.goto(f"{notes.app.url}#/{note}")
    notes.choose("Merge")
    assert violations(notes.page) == []

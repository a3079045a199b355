"""The status in the header: live, explained in a popover, and reached by keyboard alone."""

from __future__ import annotations

import re

from playwright.sync_api import ViewportSize, expect

from tests.browser.conftest import OpenApp
from tests.browser.outbox import Outbox
from tests.browser.page import TIMEOUT, App
from tests.browser.servers import Server

WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 360, "height": 740}


def open_popover(app: App) -> None:
    """Open the popover by the keyboard; it takes the focus."""
    app.by_test_id("status-open").focus()
    app.page.keyboard.press("Enter")
    expect(app.by_test_id("status-popover")).to_be_focused()


def close_popover(app: App) -> None:
    """Close the popover by Escape; the focus goes back to where it was."""
    app.page.keyboard.press("Escape")
    expect(app.by_test_id("status-popover")).to_be_hidden()
    expect(app.by_test_id("status-open")).to_be_focused()


def test_popover_explains_the_state_and_follows_it_by_keyboard_alone(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, viewport=WIDE).wait_for_connection("connected")
    popover = app.by_test_id("status-popover")
    open_popover(app)
    expect(popover).to_contain_text("Everything has been sent, and this device is up to date.")
    expect(popover).to_contain_text(re.compile(r"Last synced\s*\d\d:\d\d"))
    expect(popover).to_contain_text("may clear what is stored here")
    close_popover(app)
    app.offline().send("one")
    open_popover(app)
    expect(popover).to_contain_text(
        "1 change waits on this device and is sent when the connection is back.", timeout=TIMEOUT
    )
    app.online()
    expect(popover).to_contain_text("Everything has been sent", timeout=TIMEOUT)
    close_popover(app)


def test_what_failed_is_counted_announced_once_and_leads_to_the_outbox(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, viewport=WIDE).wait_for_connection("connected").offline()
    Outbox(app.send("refused")).change({0: {"data": {"text": " "}}})
    announced = app.page.evaluate_handle("""() => {
      const seen = [], region = document.querySelector('[data-testid="attention"]');
      new MutationObserver(() => seen.push(region.textContent))
        .observe(region, {childList: true, characterData: true, subtree: true});
      return seen;
    }""")
    app.online()
    expect(app.by_test_id("attention-badge")).to_have_text("1 need you", timeout=TIMEOUT)
    app.sync_now()
    expect(app.by_test_id("sync-now")).to_have_attribute("aria-busy", "false")
    assert announced.json_value() == ["1 change was not sent."]
    open_popover(app)
    expect(app.by_test_id("status-popover")).to_contain_text(
        "1 change was not sent: retry, edit or discard it in the outbox."
    )
    app.by_test_id("status-popover").get_by_role("link", name="Open the outbox").press("Enter")
    expect(app.by_test_id("status-popover")).to_be_hidden()
    Outbox(app).wait_for_states("failed")
    app.page.evaluate("location.hash = '#/messages'")
    app.by_test_id("failed-badge").click()
    expect(app.page).to_have_url(re.compile("#/outbox$"))


def test_time_of_the_last_synchronisation_is_in_a_wide_header_and_survives_a_reload(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, viewport=WIDE).wait_installed().wait_for_connection("connected")
    synced = app.page.get_by_text(re.compile(r"^synced \d\d:\d\d$"))
    expect(synced).to_be_visible(timeout=TIMEOUT)
    app.offline().reload()
    expect(synced).to_be_visible()
    app.page.set_viewport_size(NARROW)
    expect(synced).to_be_hidden()
    open_popover(app)
    expect(app.by_test_id("status-popover")).to_contain_text(re.compile(r"Last synced\s*\d\d:\d\d"))


def test_sync_now_is_busy_while_the_server_is_silent(server: Server, open_app: OpenApp) -> None:
    app = open_app(server).wait_for_connection("connected")
    app.page.route("**/api/sync", lambda _route: None)
    app.sync_now()
    expect(app.by_test_id("sync-now")).to_have_attribute("aria-busy", "true")
    animation = app.page.locator(".sync .icon").evaluate(
        "icon => getComputedStyle(icon).animationName"
    )
    assert animation == "turn"
    app.by_test_id("sync-now").click(timeout=TIMEOUT)  # it stays tappable
    app.page.unroute_all(behavior="ignoreErrors")

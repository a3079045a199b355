"""Push: a knock that shows nothing of what is new, wakes the page, and is turned on by a tap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.bench import PERMISSIONS, Bench, wait_until
from tests.browser.conftest import OpenApp
from tests.browser.servers import Server
from tests.browser.settings_view import Settings
from tests.server.push_service import Browser, PushService, running

NEWS = "New data on Driftline"
TAPPED = """async (route) => {
  await registration.showNotification("?", {data: {route}});
  const [notification] = await registration.getNotifications();
  dispatchEvent(new NotificationEvent("notificationclick", {notification}));
}"""
HEADLESS = """
const made = SUBSCRIPTION;
let there = null;
PushManager.prototype.getSubscription = async () => there;
PushManager.prototype.subscribe = async ({applicationServerKey}) => (there = {
  endpoint: made.endpoint, toJSON: () => made, unsubscribe: async () => ((there = null), true)});
window.answer = "denied";
Notification.requestPermission = async () => window.answer;
window.badges = [];
navigator.setAppBadge = async (count) => { badges.push(count); };
let away = false;
Object.defineProperty(document, "hidden", {get: () => away});
const seen = () => document.dispatchEvent(new Event("visibilitychange"));
window.leave = (leaves) => { away = leaves; seen(); };
"""
"""A browser without a display has no push service, no icon, and is never out of sight."""


@pytest.mark.parametrize("data", ['{"type": "sync-update"}', "", "{", "\0", "x" * 4_000])
def test_e5_push_shows_that_there_is_something_new_whatever_it_holds(
    bench: Bench, data: str
) -> None:
    bench.server.add_messages("secret")
    bench.leave()
    wait_until(lambda: bench.windows() == 0, bench.page)
    bench.push(data)
    wait_until(lambda: bool(bench.told()), bench.page)
    assert bench.told() == [NEWS]
    bench.come_back()
    wait_until(lambda: bool(bench.stores()["inbox"]) and bench.idle(), bench.page)


def test_push_to_an_open_page_wakes_it_and_shows_nothing(bench: Bench) -> None:
    bench.page.evaluate("""() => {
      window.told = [];
      navigator.serviceWorker.onmessage = (event) => told.push(event.data.type);
      navigator.locks.request("driftline", () => new Promise(() => {}));
    }""")
    bench.push("{}")
    wait_until(lambda: bench.page.evaluate("told") == ["wake"], bench.page)
    assert bench.notifications() == []
    bench.come_back()


@pytest.fixture
def service() -> Iterator[PushService]:
    with running() as service:
        yield service


@pytest.fixture
def pushing(tmp_path: Path) -> Iterator[Server]:
    """Start a server that may push to this machine."""
    server = Server(tmp_path)
    server.environment = {"DRIFTLINE_PUSH_LOOPBACK": "1"}
    server.start()
    yield server
    server.close()


def headless(browser: Browser) -> str:
    return HEADLESS.replace("SUBSCRIPTION", json.dumps(browser.subscription()))


def test_notices_are_turned_on_by_a_tap_and_reach_the_browser(
    pushing: Server, service: PushService, open_app: OpenApp
) -> None:
    browser = service.subscribe("")

    def prepare(context: BrowserContext) -> None:
        context.grant_permissions(PERMISSIONS)
        context.add_init_script(headless(browser))

    app = open_app(pushing, prepare=prepare).wait_installed().wait_for_connection("connected")
    settings = Settings(app)
    settings.press("Turn on notifications")
    row = settings.card("notices")
    expect(row).to_contain_text("does not let Driftline notify you")
    app.page.evaluate("window.answer = 'granted'")
    settings.press("Turn on notifications")
    expect(row).to_contain_text("You are told")
    app.page.evaluate("leave(true)")
    pushing.add_messages("from afar")
    wait_until(lambda: bool(browser.messages), app.page)
    assert browser.messages[0] == {"type": "sync-update"}
    wait_until(lambda: app.page.evaluate("badges.at(-1)") == 1, app.page)
    app.page.evaluate("leave(false)")
    wait_until(lambda: app.page.evaluate("badges.at(-1)") == 0, app.page)
    app.context.service_workers[-1].evaluate(TAPPED, "#/outbox")
    expect(app.page).to_have_url(f"{app.url}#/outbox")
    app.page.get_by_role("link", name="Settings").click()
    settings.press("Turn off notifications")
    expect(row).to_contain_text("Be told that there is something new")
    sent = len(service.headers)
    pushing.add_messages_of("Ada", "unheard")
    app.page.get_by_role("link", name="Messages").click()
    app.wait_for_messages(("sent", "from afar"), ("sent", "unheard"))
    assert len(service.headers) == sent

"""The log of messages: place and focus are kept, what is new is told, and drafts are kept."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenApp
from tests.browser.faulty import FaultyServer
from tests.browser.log import Log
from tests.browser.page import TIMEOUT, App
from tests.browser.servers import Server

MOST_DRAWN = 160
TEXT = '[data-part="text"]'


def long_text(number: int) -> str:
    """Return a text that is one line or many, as messages are."""
    return f"m{number}" + " and so on" * (number * 7 % 40)


@pytest.fixture
def filled(server: Server) -> Server:
    """A server with 600 messages of many heights."""
    server.add_messages(*[long_text(number) for number in range(600)])
    return server


def opened(open_app: OpenApp, server: Server, newest: str) -> App:
    """Open the app on a device that has everything already, as on any day but the first."""
    app = open_app(server)
    expect(app.message(newest)).to_be_visible(timeout=15_000)
    app.wait_for_connection("connected")
    return app.reload()


def test_older_ones_come_while_scrolling_and_what_is_read_stays_where_it_is(
    filled: Server, open_app: OpenApp
) -> None:
    log = Log(opened(open_app, filled, long_text(599)))
    strayed: list[float] = []
    drawn = 0
    while not log.messages.first.locator(TEXT).get_by_text("m0", exact=True).is_visible():
        strayed += log.scroll(900)
        drawn = max(drawn, log.drawn)
    assert log.loaded == 600
    assert not log.messages.last.get_by_text(long_text(599), exact=True).is_visible()
    while log.place > 0:
        strayed += log.scroll(-900)
        drawn = max(drawn, log.drawn)
    assert log.messages.last.locator(TEXT).text_content() == long_text(599)
    assert max(map(abs, strayed)) < 1.5, sorted(map(abs, strayed))[-5:]
    assert 100 < drawn <= MOST_DRAWN


def test_dragged_far_away_the_log_shows_what_belongs_there(
    filled: Server, open_app: OpenApp
) -> None:
    log = Log(opened(open_app, filled, long_text(599))).load(600).to_the_top()
    top = log.place
    for part in (0.8, 0.5, 0.1):
        log.scroll(round(top * part - log.place))
        numbers = [int(text.split()[0][1:]) for text in log.tops()]
        assert numbers == sorted(numbers)
        assert numbers, part
        assert numbers[0] == pytest.approx(600 * (1 - part), abs=60)
    log.to_the_end()
    assert log.place == 0
    assert list(log.tops())[-1] == long_text(599)


def test_new_message_while_one_reads_above_moves_nothing_and_is_one_tap_away(
    filled: Server, open_app: OpenApp
) -> None:
    app = opened(open_app, filled, long_text(599))
    log = Log(app)
    log.scroll(2_000)
    before = log.tops()
    filled.add_messages_of("Ada", "from afar")
    expect(log.newest).to_have_text("1 new message")
    assert log.tops() == before
    filled.add_messages_of("Ada", "from afar again")
    expect(log.newest).to_have_text("2 new messages")
    assert app.page.title() == "(2) Messages · Driftline"
    log.to_the_end()
    expect(app.message("from afar again")).to_be_in_viewport()
    first = app.message("from afar")
    expect(first).to_contain_text("New")
    expect(first).to_contain_text("Ada")
    assert app.page.title() == "Messages · Driftline"


def test_what_arrives_while_another_view_is_open_is_counted_until_it_is_seen(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server).wait_for_connection("connected")
    app.send("mine").wait_for_messages(("sent", "mine"))
    app.page.get_by_role("link", name="Notes").click()
    server.add_messages_of("Ada", "one", "two")
    tab = app.page.get_by_role("link", name="Messages 2 unread")
    expect(tab).to_be_visible(timeout=15_000)
    assert app.page.title() == "(2) Notes · Driftline"
    tab.click()
    expect(app.page.get_by_role("link", name="Messages", exact=True)).to_be_visible()
    expect(app.page).to_have_title("Messages · Driftline")
    expect(app.message("one")).to_contain_text("New")
    app.send("an answer")
    expect(app.message("one")).not_to_contain_text("New")


def test_history_that_a_new_device_pulls_is_not_new(filled: Server, open_app: OpenApp) -> None:
    app = open_app(filled, ready=False)
    app.page.goto(f"{filled.url}/#/notes")
    app.wait_ready().wait_for_connection("connected")
    app.page.get_by_role("link", name="Messages", exact=True).click()
    expect(app.message(long_text(599))).to_be_visible(timeout=15_000)
    assert app.page.title() == "Messages · Driftline"
    expect(app.page.get_by_text("New", exact=True)).to_have_count(0)


def test_draft_survives_a_reload_and_goes_when_it_is_sent(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server)
    app.composer.press_sequentially("half a thou")
    app.page.wait_for_timeout(600)
    app.composer.press_sequentially("ght")
    app.page.evaluate(
        """() => { Object.defineProperty(document, 'hidden', {get: () => true});
          document.dispatchEvent(new Event('visibilitychange')); }"""
    )
    app.page.wait_for_timeout(200)
    app.reload()
    expect(app.composer).to_have_value("half a thought")
    app.page.get_by_role("button", name="Send", exact=True).click()
    app.wait_for_messages(("sent", "half a thought"))
    app.reload().wait_for_messages(("sent", "half a thought"))
    expect(app.composer).to_have_value("")


def stub_vibration(page: Page) -> None:
    """Note what is felt, in place of vibrating."""
    page.add_init_script("""
      window.felt = [];
      Object.defineProperty(Navigator.prototype, 'vibrate',
        {value: pattern => felt.push([...pattern].length === 1 ? 'tap' : pattern[0])});
    """)


def test_sending_success_and_failure_are_felt_and_told_and_discarding_asks(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, spoil=stub_vibration).wait_for_connection("connected")
    told = app.page.locator('[data-part="announcer"]')
    app.send("fine").wait_for_messages(("sent", "fine"))
    expect(told).to_have_text("Sent")
    assert app.page.evaluate("felt") == ["tap", 10]
    refusal = {"code": "invalid", "message": "The server does not want this.", "fields": {}}

    def refuse(route: Route) -> None:
        """Reject the action, as the server would."""
        request: Any = route.request.post_data_json
        answer = server.post("/api/sync", {**request, "actions": []})
        results = [
            {"id": action["id"], "verdict": "rejected", "error": refusal}
            for action in request["actions"]
        ]
        route.fulfill(json={**answer, "results": results})

    app.page.route("**/api/sync", refuse)
    app.send("refused").wait_for_messages(("sent", "fine"), ("failed", "refused"))
    expect(told).to_have_text("Not sent. The server does not want this.")
    assert app.page.evaluate("felt") == ["tap", 10, "tap", 60]
    app.send("unwanted").wait_for_statuses("sent", "failed", "failed")
    discard = app.message("unwanted").get_by_role("button", name="Discard")
    dialog = app.page.get_by_role("dialog", name="Discard this change?")
    discard.click()
    expect(dialog).to_contain_text("unwanted")
    dialog.get_by_role("button", name="Cancel").click()
    app.wait_for_messages(("sent", "fine"), ("failed", "refused"), ("failed", "unwanted"))
    discard.click()
    dialog.get_by_role("button", name="Discard").click()
    app.wait_for_messages(("sent", "fine"), ("failed", "refused"))
    app.page.unroute("**/api/sync")
    app.message("refused").get_by_role("button", name="Retry").press("Enter")
    app.wait_for_messages(("sent", "fine"), ("sent", "refused"))
    expect(app.message("refused")).to_be_focused()


def test_message_that_the_server_fails_at_says_why_it_waits(
    faulty: FaultyServer, open_app: OpenApp
) -> None:
    app = open_app(faulty).wait_for_connection("connected")
    app.watch.allow.append("status of 500")
    faulty.fault("error_500", times=1_000)
    app.send("Hello").wait_for_messages(("pending", "Hello"))
    reason = app.message("Hello").locator('[data-part="delay"]')
    expect(reason).to_contain_text("sent again later", timeout=TIMEOUT)
    expect(app.message("Hello")).to_contain_text("Waiting to send")
    faulty.fault("none", 0)
    app.sync_now().wait_for_messages(("sent", "Hello"), timeout=30_000)
    expect(reason).to_have_count(0)


def test_messages_are_signed_and_days_are_told_apart(server: Server, open_app: OpenApp) -> None:
    day = 86_400_000
    server.add_messages_of("Ada", "long ago", "yesterday", ages=(40 * day, day))
    app = open_app(server)
    app.page.evaluate("""() => new Promise(done => {
      indexedDB.open('driftline').onsuccess = ({target: {result: db}}) => {
        const change = db.transaction('metadata', 'readwrite');
        change.objectStore('metadata').put({key: 'preferences', value: {name: ' Grace '}});
        change.oncomplete = () => (db.close(), done());
      };
    })""")
    app.reload().send("now").wait_for_statuses("sent", "sent", "sent")
    senders = app.page.locator('[data-testid="message"] [data-part="sender"]').all_inner_texts()
    assert senders == ["Ada", "Ada", "Grace"]
    days = app.page.locator('[data-testid="message"] .day').all_inner_texts()
    assert days[1:] == ["Yesterday", "Today"]
    assert server.rows("messages")[-1]["data"]["sender"] == "Grace"

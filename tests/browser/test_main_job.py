"""The main job: what was written offline reaches the server, in order, exactly once."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenApp, OpenProfile
from tests.browser.log import Log
from tests.browser.page import App
from tests.browser.servers import Server

BANNER = "You're offline. Changes will sync when connected."
WAITING = [("pending", "one"), ("pending", "two"), ("pending", "three")]


def states(app: App) -> list[str]:
    """Return the words beside each message."""
    return app.by_test_id("message").locator('[data-part="state"]').all_inner_texts()


def test_message_is_shown_at_once_then_as_sent(server: Server, open_app: OpenApp) -> None:
    app = open_app(server)
    app.wait_for_connection("connected").send("Hello")
    app.wait_for_messages(("sent", "Hello"))
    assert states(app) == ["Sent"]
    assert server.messages() == ["Hello"]


def test_whole_job_offline_closed_and_without_a_server(
    server: Server, profile: OpenProfile, open_app: OpenApp
) -> None:
    app = profile.open(server).wait_installed()
    app.send("zero").wait_for_messages(("sent", "zero"))
    app.offline().wait_for_connection("disconnected")
    expect(app.by_test_id("offline-banner")).to_have_text(BANNER)
    for _, text in WAITING:
        app.send(text)
    app.wait_for_messages(("sent", "zero"), *WAITING)
    assert states(app)[1:] == ["Waiting to send"] * 3
    assert app.badge("pending") == "3 pending"
    profile.close()
    server.stop()

    again = profile.open(server)
    again.wait_for_messages(("sent", "zero"), *WAITING).wait_for_connection("disconnected")
    assert again.badge("pending") == "3 pending"
    server.start()
    again.wait_for_statuses("sent", "sent", "sent", "sent", timeout=90_000)
    expect(again.by_test_id("pending-badge")).to_be_hidden()
    expect(again.by_test_id("offline-banner")).to_be_hidden()
    assert server.messages() == ["zero", "one", "two", "three"]

    other = open_app(server)
    other.wait_for_messages(*[("sent", text) for text in server.messages()])


def test_killed_browser_loses_nothing_that_was_saved(server: Server, profile: OpenProfile) -> None:
    app = profile.open(server).wait_installed().offline()
    for _, text in WAITING:
        app.send(text)
    profile.kill()
    again = profile.open(server)
    again.wait_for_messages(*[("sent", text) for _, text in WAITING])
    assert server.messages() == ["one", "two", "three"]


def test_s02_reload_while_offline_keeps_queue_order_and_items(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server).wait_installed().offline()
    for _, text in WAITING:
        app.send(text)
    ids = app.by_test_id("message").evaluate_all("found => found.map(m => m.dataset.id)")
    app.reload().wait_for_messages(*WAITING)
    after = app.by_test_id("message").evaluate_all("found => found.map(m => m.dataset.id)")
    assert after == ids
    app.online().wait_for_statuses("sent", "sent", "sent")
    assert server.messages() == ["one", "two", "three"]


def test_s09_dead_server_is_noticed_and_recovered_from_without_a_reload(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server).wait_for_connection("connected")
    server.stop()
    assert app.page.evaluate("navigator.onLine")
    app.wait_for_connection("disconnected", timeout=10_000)
    app.send("Hello").wait_for_messages(("pending", "Hello"))
    server.start()
    app.wait_for_messages(("sent", "Hello"), timeout=90_000).wait_for_connection("connected")
    assert server.messages() == ["Hello"]


def test_sync_now_recovers_at_once(server: Server, open_app: OpenApp) -> None:
    app = open_app(server).wait_for_connection("connected")
    server.stop()
    app.wait_for_connection("disconnected").send("Hello")
    server.start()
    app.sync_now().wait_for_messages(("sent", "Hello"), timeout=4_000)


def test_s10_browser_that_claims_to_be_offline_still_drains(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, ready=False)
    app.page.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'onLine', {get: () => false})"
    )
    app.reload()
    assert app.page.evaluate("navigator.onLine") is False
    app.send("Hello").wait_for_messages(("sent", "Hello"))
    assert app.connection() == "connected"


def test_message_of_another_device_appears_by_itself(server: Server, open_app: OpenApp) -> None:
    mine, theirs = open_app(server), open_app(server)
    theirs.send("From afar")
    mine.wait_for_messages(("sent", "From afar"))


def test_two_tabs_share_one_queue_and_send_once(server: Server, open_app: OpenApp) -> None:
    first = open_app(server).wait_installed()
    second = first.another_tab()
    first.offline()
    first.send("one")
    second.send("two")
    both = [("pending", "one"), ("pending", "two")]
    first.wait_for_messages(*both)
    second.wait_for_messages(*both)
    assert first.badge("pending") == second.badge("pending") == "2 pending"
    first.page.close()
    second.online().wait_for_statuses("sent", "sent")
    assert server.messages() == ["one", "two"]


def test_seven_tabs_all_send(server: Server, open_app: OpenApp) -> None:
    tabs = [open_app(server).wait_installed()]
    tabs += [tabs[0].another_tab() for _ in range(6)]
    for number, tab in enumerate(tabs):
        tab.send(f"from tab {number}")
    tabs[-1].wait_for_statuses(*["sent"] * 7)
    assert server.messages() == [f"from tab {number}" for number in range(7)]


def test_server_that_takes_nothing_is_said_in_words(server: Server, open_app: OpenApp) -> None:
    app = open_app(server).wait_for_connection("connected")
    app.watch.allow.append("status of 503")
    body = '{"error": {"code": "busy", "message": "The database is full.", "fields": {}}}'
    app.page.route(
        "**/api/sync",
        lambda route: route.fulfill(status=503, body=body, content_type="application/json"),
    )
    app.send("Hello")
    expect(app.by_test_id("trouble")).to_have_text(
        "The database is full. What you wrote is kept and will be sent again."
    )
    app.page.unroute("**/api/sync")
    app.sync_now().wait_for_messages(("sent", "Hello"))
    expect(app.by_test_id("trouble")).to_have_text("")


def test_enter_sends_and_shift_enter_breaks_the_line(server: Server, open_app: OpenApp) -> None:
    app = open_app(server)
    app.composer.click()
    app.page.keyboard.type("first")
    app.page.keyboard.press("Shift+Enter")
    app.page.keyboard.type("second")
    app.page.keyboard.press("Enter")
    app.wait_for_messages(("sent", "first\nsecond"))
    expect(app.composer).to_be_focused()


def test_only_the_newest_are_drawn_and_older_ones_on_request(
    server: Server, open_app: OpenApp
) -> None:
    server.add_messages(*[f"m{number}" for number in range(250)])
    app = open_app(server)
    log, text = Log(app), '[data-part="text"]'
    expect(log.messages.last.locator(text)).to_have_text("m249", timeout=15_000)
    app.reload()
    expect(log.messages).to_have_count(40)
    older = app.page.get_by_role("button", name="Show older messages")
    older.focus()
    while older.is_visible():
        older.press("Enter")
        app.page.wait_for_timeout(100)
    expect(log.messages.first.locator(text)).to_have_text("m0")
    assert log.loaded == 250


def test_s27_note_on_a_restored_server_stays_over_a_reload_until_it_is_understood(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server)
    app.send("kept").wait_for_messages(("sent", "kept"))
    server.stop()
    server.begin_epoch()
    server.start()
    trouble, understood = app.by_test_id("trouble"), app.by_test_id("dismiss-restored")
    expect(trouble).to_contain_text("went back to an earlier backup", timeout=90_000)
    app.reload()
    expect(app.by_test_id("trouble")).to_contain_text("went back to an earlier backup")
    understood.click()
    expect(trouble).to_have_text("")
    expect(understood).to_be_hidden()
    app.reload().wait_for_connection("connected")
    expect(app.by_test_id("trouble")).to_have_text("")

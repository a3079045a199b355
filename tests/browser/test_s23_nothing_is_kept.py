"""S23: where the browser keeps nothing, the app works in memory and never claims to have saved."""

from __future__ import annotations

import pytest
from playwright.sync_api import Dialog, expect

from tests.browser.conftest import OpenApp
from tests.browser.servers import Server

MISSING = "Object.defineProperty(window, 'indexedDB', {value: undefined, configurable: true})"
REFUSES = """
indexedDB.open = () => { throw new DOMException("Access is denied.", "SecurityError"); }"""
FAILS = """
indexedDB.open = () => {
  const request = new EventTarget();
  request.error = new DOMException("The user denied storage.", "InvalidStateError");
  setTimeout(() => {
    const event = new Event("error");
    request.dispatchEvent(event);
    request.onerror?.(event);
  });
  return request;
}"""
FIRST_WRITE_FAILS = """
IDBObjectStore.prototype.put = () => { throw new DOMException("Full.", "QuotaExceededError"); }"""


@pytest.mark.parametrize(
    "spoil",
    [MISSING, REFUSES, FAILS, FIRST_WRITE_FAILS],
    ids=["no IndexedDB", "it refuses", "it fails", "the first write fails"],
)
def test_s23_app_works_in_memory_and_says_so(server: Server, open_app: OpenApp, spoil: str) -> None:
    app = open_app(server, spoil=lambda page: page.add_init_script(spoil))
    assert app.boot_error() == ""
    expect(app.by_test_id("unsaved")).to_contain_text("Not saved on this device.")
    invitation = app.page.get_by_text("Write the first message below.")
    expect(invitation).not_to_contain_text("kept", use_inner_text=True)
    app.send("Hello").wait_for_messages(("sent", "Hello"))
    assert server.messages() == ["Hello"]
    expect(app.by_test_id("unsaved")).to_be_visible()
    app.by_test_id("status-open").click()
    expect(app.by_test_id("status-popover")).to_contain_text("closing this page loses")


def test_s23_leaving_asks_while_something_is_unsent_and_only_then(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, spoil=lambda page: page.add_init_script(REFUSES))
    asked: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    app.page.on("dialog", dismiss)
    app.send("Hello").wait_for_messages(("sent", "Hello"))
    app.offline().send("not sent").wait_for_messages(("sent", "Hello"), ("pending", "not sent"))
    app.page.close(run_before_unload=True)
    app.page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    app.online().sync_now().wait_for_messages(("sent", "Hello"), ("sent", "not sent"))
    with app.page.expect_event("close"):
        app.page.close(run_before_unload=True)
    assert asked == ["beforeunload"]


def test_s23_two_tabs_without_storage_each_send_their_own(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, prepare=lambda context: context.add_init_script(REFUSES))
    other = app.another_tab()
    app.send("from one").wait_for_messages(("sent", "from one"))
    other.send("from the other")
    both = [("sent", "from one"), ("sent", "from the other")]
    other.wait_for_messages(*both)
    app.wait_for_messages(*both)
    assert server.messages() == ["from one", "from the other"]

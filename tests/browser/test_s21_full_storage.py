"""S21: the browser's quota is used up, by Chromium's own account of it."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, CDPSession, expect

from tests.browser.conftest import OpenApp
from tests.browser.page import TIMEOUT, App
from tests.browser.servers import Server

QUOTA = 2_000_000
ROOM = 20_000
"""Bytes left: enough to send what is short, and less than LONG needs."""
LONG = "🏔" * 8_000

FILL = """async () => {
  const opened = indexedDB.open("ballast");
  opened.onupgradeneeded = () => opened.result.createObjectStore("bytes", {autoIncrement: true});
  await new Promise(done => (opened.onsuccess = done));
  const put = size => new Promise(done => {
    const transaction = opened.result.transaction("bytes", "readwrite");
    transaction.objectStore("bytes").put(crypto.getRandomValues(new Uint8Array(size)));
    transaction.oncomplete = () => done(true);
    transaction.onabort = () => done(false);
  });
  for (const size of [60_000, 5_000, 500]) while (await put(size));
  return (await navigator.storage.estimate()).usage;
}"""


class Disk:
    """The quota of a device's origin; it has to be small before the first byte is stored, because
    Chromium remembers for a while how much room there was.
    """

    def __init__(self, app: App) -> None:
        self._cdp: CDPSession = app.context.new_cdp_session(app.page)
        self._origin = app.url.rstrip("/")

    def allow(self, size: int) -> None:
        """Set the quota."""
        override = {"origin": self._origin, "quotaSize": size}
        self._cdp.send("Storage.overrideQuotaForOrigin", override)


def test_s21_full_storage_keeps_text_and_queue_and_goes_on_sending(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, ready=False, prepare=_something_else_first, service_workers="block")
    disk = Disk(app)
    disk.allow(QUOTA)
    app.goto().wait_ready()
    app.send("sent before").wait_for_messages(("sent", "sent before"))
    app.offline().send("queued before")
    disk.allow(app.page.evaluate(FILL) + ROOM)

    app.composer.fill(LONG)
    app.page.get_by_role("button", name="Send", exact=True).click()
    expect(app.page.locator("#composer-error")).to_contain_text("no room left", timeout=TIMEOUT)
    expect(app.composer).to_have_value(LONG)
    app.wait_for_messages(("sent", "sent before"), ("pending", "queued before"))

    app.online()
    app.wait_for_messages(("sent", "sent before"), ("sent", "queued before"))
    assert server.messages() == ["sent before", "queued before"]

    disk.allow(10 * QUOTA)
    app.page.get_by_role("button", name="Send", exact=True).click()
    texts = ["sent before", "queued before", LONG]
    app.wait_for_messages(*[("sent", text) for text in texts])
    assert app.reload().messages() == [("sent", text) for text in texts]
    assert server.messages() == texts


def _something_else_first(context: BrowserContext) -> None:
    """Show something else at the first visit: the origin is there, and nothing is stored yet."""
    context.route("**/*", lambda route: route.fulfill(body="Wait"), times=1)

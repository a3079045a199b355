"""Driftline as a person sees it in one tab: what it shows, and what can be done with it."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Locator, Page, TimeoutError, expect

from tests.browser.watch import Watch

BOOT_TIMEOUT = 30_000
BOOT_ERROR_TIMEOUT = 10_000
TIMEOUT = 15_000
POLLING = 50
"""Milliseconds between looks: a tab in the background is drawn seldom, and never waited for so."""
DOUBLE_TAP = "button => (button.focus(), button.click(), button.click())"
"""Two taps, nothing in between: what the first one asks for is still being done at the second."""
_FAILED = 'html[data-boot]:not([data-boot="slow"])'
_MESSAGES = """found => found.map(message => [
  message.dataset.status, message.querySelector('[data-part="text"]').textContent])"""
_SHOWN = """expected => {
  const shown = [...document.querySelectorAll('[data-testid="message"]')].map(message => [
    message.dataset.status, message.querySelector('[data-part="text"]').textContent]);
  return JSON.stringify(shown) === JSON.stringify(expected);
}"""


class App:
    """One tab with Driftline in it, found by the page contract (docs/design.md)."""

    def __init__(self, page: Page, url: str, watch: Watch) -> None:
        self.page = page
        self.url = url
        self.watch = watch

    @property
    def context(self) -> BrowserContext:
        """The browser context: the device, with its storage and network."""
        return self.page.context

    def goto(self) -> App:
        """Navigate to the app, without waiting for Python."""
        self.page.goto(self.url)
        return self

    def wait_ready(self) -> App:
        """Wait until Python takes input; fail at once with what the page says if it cannot."""
        settled = self.page.locator(f'html[data-ready="true"], {_FAILED}')
        settled.wait_for(state="attached", timeout=BOOT_TIMEOUT)
        assert self.by_test_id("boot-error").is_hidden(), self.boot_error()
        return self

    def wait_failed(self, timeout: float = BOOT_ERROR_TIMEOUT) -> str:
        """Wait until boot has failed for good; return what the page says about it."""
        self.page.locator(_FAILED).wait_for(state="attached", timeout=timeout)
        return self.boot_error()

    def wait_for_draft(self) -> App:
        """Wait until what was typed last is kept as a draft, a moment later (app/ui/draft.py)."""
        self.page.evaluate("() => new Promise(resolve => setTimeout(resolve, 600))")
        return self

    def wait_installed(self) -> App:
        """Wait until the service worker is active, and with it everything is precached."""
        self.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        return self

    def reload(self) -> App:
        """Reload and wait until Python takes input again."""
        self.page.reload()
        return self.wait_ready()

    def another_tab(self) -> App:
        """Open the app in a second tab of the same device and wait until it is ready."""
        other = App(self.context.new_page(), self.url, self.watch).goto().wait_ready()
        self.page.bring_to_front()  # then both are drawn; a tab behind is, otherwise, once a second
        return other

    def offline(self) -> App:
        """Cut the device off the network, the service worker included."""
        self.watch.went_offline = True
        self.context.set_offline(True)
        return self

    def online(self) -> App:
        """Connect the device to the network again."""
        self.context.set_offline(False)
        return self

    def send(self, text: str) -> App:
        """Write a message and send it; return once it is durable (the field is empty again)."""
        self.composer.fill(text)
        self.page.get_by_role("button", name="Send", exact=True).click()
        expect(self.composer).to_have_value("", timeout=TIMEOUT)
        return self

    def sync_now(self) -> App:
        """Press "Sync now"."""
        self.by_test_id("sync-now").click()
        return self

    @property
    def composer(self) -> Locator:
        """The field that a message is written in."""
        return self.page.get_by_label("Message", exact=True)

    def message(self, text: str) -> Locator:
        """Return the message with exactly this text."""
        exact = self.page.get_by_text(text, exact=True)
        return self.by_test_id("message").filter(has=exact)

    def messages(self) -> list[tuple[str, str]]:
        """Return status and text of each message, from the top."""
        shown = self.by_test_id("message").evaluate_all(_MESSAGES)
        return [(status, text) for status, text in shown]

    def wait_for_messages(self, *expected: tuple[str, str], timeout: float = TIMEOUT) -> App:
        """Wait until exactly these messages are shown, as (status, text), from the top."""
        try:
            self.page.wait_for_function(
                _SHOWN, arg=list(expected), timeout=timeout, polling=POLLING
            )
        except TimeoutError as error:
            raise AssertionError(f"expected {expected}, shown {self.messages()}") from error
        return self

    def wait_for_statuses(self, *statuses: str, timeout: float = TIMEOUT) -> App:
        """Wait until the messages shown have exactly these statuses, from the top."""
        shown = self.by_test_id("message")
        expect(shown).to_have_count(len(statuses), timeout=timeout)
        for index, status in enumerate(statuses):
            expect(shown.nth(index)).to_have_attribute("data-status", status, timeout=timeout)
        return self

    def badge(self, name: str) -> str:
        """Return the text of the badge `pending`, `conflict` or `failed`; empty while hidden."""
        badge = self.by_test_id(f"{name}-badge")
        return " ".join(badge.inner_text().split()) if badge.is_visible() else ""

    def connection(self) -> str:
        """Return `connected`, `connecting` or `disconnected`."""
        return self.by_test_id("connection").get_attribute("data-status") or ""

    def wait_for_connection(self, status: str, timeout: float = TIMEOUT) -> App:
        """Wait until the page shows this connection status."""
        connection = self.by_test_id("connection")
        expect(connection).to_have_attribute("data-status", status, timeout=timeout)
        return self

    def boot_error(self) -> str:
        """Return what the page says about a boot that failed; empty while it says nothing."""
        panel = self.by_test_id("boot-error")
        return panel.inner_text() if panel.is_visible() else ""

    def by_test_id(self, name: str) -> Locator:
        """Return what the page contract calls `name`."""
        return self.page.get_by_test_id(name)

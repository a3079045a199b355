"""The log of messages as a person scrolls in it."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.browser.page import TIMEOUT, App

_LOAD = """async wanted => {
  const log = document.querySelector('[data-part="log"]');
  const list = document.querySelector('[data-part="messages"]');
  while (+list.dataset.loaded < wanted) {
    log.scrollTop = -log.scrollHeight;
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  }
}"""
_TO_THE_TOP = """async () => {
  const log = document.querySelector('[data-part="log"]');
  const older = document.querySelector('[data-part="older"]');
  const top = () => log.scrollHeight - log.clientHeight + log.scrollTop;
  while (!older.hidden || top() > 1) {
    log.scrollTop = -log.scrollHeight;
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  }
}"""
_STEP = """async pixels => {
  const log = document.querySelector('[data-part="log"]');
  const view = log.getBoundingClientRect();
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  const seen = [...document.querySelectorAll('[data-testid="message"]')]
    .map(message => [message, message.getBoundingClientRect().top])
    .filter(([, top]) => top >= view.top && top <= view.bottom);
  const before = log.scrollTop;
  log.scrollTop = before - pixels;
  const scrolled = before - log.scrollTop;
  for (let i = 0; i < 4; i++) await frame();
  return seen.filter(([message]) => message.isConnected)
    .map(([message, top]) => message.getBoundingClientRect().top - top - scrolled);
}"""


class Log:
    """Scrolls in the log of an open app; `pixels` are counted upwards, from the end."""

    def __init__(self, app: App) -> None:
        self.page = app.page
        self.messages = app.by_test_id("message")
        self.newest: Locator = app.by_test_id("newest")
        self._log = self.page.get_by_role("log")
        self._list = self._log.locator('[data-part="messages"]')

    def load(self, count: int) -> Log:
        """Scroll up until `count` messages are loaded."""
        self.page.evaluate(_LOAD, count)
        assert self.loaded == count
        return self

    def to_the_top(self) -> Log:
        """Scroll up until the oldest message of the device is in sight."""
        self.page.evaluate(_TO_THE_TOP)
        return self

    @property
    def loaded(self) -> int:
        """How many messages are loaded; not all of them are drawn."""
        return int(self._list.get_attribute("data-loaded") or 0)

    @property
    def drawn(self) -> int:
        """How many messages are in the document."""
        return self.messages.count()

    @property
    def place(self) -> float:
        """How many pixels the view is away from the end."""
        return -float(self._log.evaluate("log => log.scrollTop"))

    def scroll(self, pixels: int) -> list[float]:
        """Scroll by so much; return how far each message in sight strayed from its place."""
        strayed: list[float] = self.page.evaluate(_STEP, pixels)
        return strayed

    def tops(self) -> dict[str, float]:
        """Return where each message in sight is, by its text."""
        found: dict[str, float] = self._log.evaluate("""log => {
          const {top, bottom} = log.getBoundingClientRect();
          return Object.fromEntries([...log.querySelectorAll('[data-testid="message"]')].map(it =>
            [it.querySelector('[data-part="text"]').textContent, it.getBoundingClientRect().top])
            .filter(([, at]) => at > top && at < bottom));
        }""")
        return found

    def to_the_end(self) -> Log:
        """Press the button that leads to the newest messages."""
        self.newest.click()
        expect(self.newest).to_be_hidden(timeout=TIMEOUT)
        return self

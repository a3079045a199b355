"""The outbox as a person sees it in a tab, and entries put into states that are hard to reach."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Locator, expect

from tests.browser.page import TIMEOUT, App

CHANGE = """async ([changes, copies]) => {
  const request = indexedDB.open('driftline');
  const db = await new Promise(done => request.onsuccess = () => done(request.result));
  const transaction = db.transaction('outbox', 'readwrite');
  const outbox = transaction.objectStore('outbox');
  outbox.getAll().onsuccess = ({target: {result: entries}}) => {
    for (const [place, {data, ...members}] of Object.entries(changes)) {
      const entry = {...entries[place], ...members};
      if (data) entry.action = JSON.stringify({...JSON.parse(entry.action), data});
      outbox.put(entry);
    }
    for (let n = 1; n <= copies; n++) {
      const made = {seq: entries[0].seq + n, id: `copy-${n}`, item_id: `item-${n}`};
      const action = JSON.parse(entries[0].action);
      const text = JSON.stringify({...action, ...made, data: {text: `Copy ${n}`}});
      outbox.put({...entries[0], ...made, action: text});
    }
  };
  await new Promise(done => transaction.oncomplete = done);
  db.close();
}"""


class Outbox:
    """The outbox' view in one tab."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.page = app.page

    def change(self, changes: Mapping[int, Mapping[str, Any]], copies: int = 0) -> Outbox:
        """Change stored entries, by their place, behind the app's back; add copies of the first.

        `data` is that of the action; all else are members of the entry.
        """
        self.page.evaluate(CHANGE, [{str(place): it for place, it in changes.items()}, copies])
        return self

    def open(self) -> Outbox:
        """Go to the outbox by its tab."""
        self.page.get_by_role("link", name=re.compile("^Outbox")).click()
        expect(self.page.get_by_role("heading", name="Outbox")).to_be_visible()
        return self

    @property
    def entries(self) -> Locator:
        """The entries that are in the document."""
        return self.app.by_test_id("outbox-entry")

    def entry(self, text: str) -> Locator:
        """Return the entry of the item called `text`."""
        return self.entries.filter(has=self.page.get_by_text(text, exact=True))

    def wait_for_states(self, *states: str) -> Outbox:
        """Wait until the entries have exactly these states, from the top."""
        expect(self.entries).to_have_count(len(states), timeout=TIMEOUT)
        for place, state in enumerate(states):
            entry = self.entries.nth(place)
            expect(entry).to_have_attribute("data-state", state, timeout=TIMEOUT)
        return self

    def press(self, text: str, button: str) -> Outbox:
        """Press a button of the entry of the item called `text`."""
        self.entry(text).get_by_role("button", name=button).click()
        return self

    def dialog(self) -> Locator:
        """Return the dialog that is open."""
        return self.page.get_by_role("dialog")

    def wait_for_empty(self) -> Outbox:
        """Wait until the outbox says that it is empty."""
        expect(self.page.get_by_text("Everything has been sent", exact=True)).to_be_visible(
            timeout=TIMEOUT
        )
        return self

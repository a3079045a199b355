"""The notes of one tab as a person sees them."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.browser.page import TIMEOUT, App

_NOTES = """found => found.map(note => [
  note.dataset.status, note.querySelector('[data-part="title"]').textContent])"""


class Notes:
    """The notes' view of a tab, found by the page contract."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.page = app.page

    def enter(self) -> Notes:
        """Open the view by its tab."""
        self.page.get_by_role("link", name="Notes", exact=False).first.click()
        expect(self.page.get_by_label("Search notes")).to_be_visible()
        return self

    @property
    def form(self) -> Locator:
        """The form of the note that is open."""
        return self.app.by_test_id("note-form")

    @property
    def conflict(self) -> Locator:
        """The card of the conflict that is open."""
        return self.app.by_test_id("conflict")

    def write(self, title: str, body: str = "") -> Notes:
        """Begin a new note, fill it in and save it."""
        self.page.get_by_role("button", name="New note").click()
        self.fill(title, body)
        return self.save()

    def fill(self, title: str | None = None, body: str | None = None) -> Notes:
        """Write into the fields of the open note."""
        if title is not None:
            self.form.get_by_label("Title").fill(title)
        if body is not None:
            self.form.get_by_label("Body").fill(body)
        return self

    def save(self) -> Notes:
        """Save the open note and wait until that is durable."""
        self.form.get_by_role("button", name="Save").click()
        expect(self.form.get_by_role("button", name="Save")).to_be_disabled(timeout=TIMEOUT)
        expect(self.page).not_to_have_url(re.compile("/new$"), timeout=TIMEOUT)
        return self

    def open(self, title: str) -> Notes:
        """Open a note by its title."""
        self.note(title).get_by_role("link").click()
        return self

    def edit(self, title: str, *, new_title: str | None = None, body: str | None = None) -> Notes:
        """Open a note, change it and save it."""
        self.open(title)
        expect(self.form).to_be_visible(timeout=TIMEOUT)
        return self.fill(new_title, body).save()

    def note(self, title: str) -> Locator:
        """Return the note in the list that is called so."""
        exact = self.page.get_by_text(title, exact=True)
        return self.app.by_test_id("note").filter(has=exact)

    def choose(self, button: str) -> Notes:
        """Tap a choice of the conflict card."""
        self.conflict.get_by_role("button", name=button, exact=True).click()
        return self

    def shown(self) -> list[tuple[str, str]]:
        """Return status and title of each note in the list, newest change first."""
        return [(s, t) for s, t in self.app.by_test_id("note").evaluate_all(_NOTES)]

    def wait_for(self, *expected: tuple[str, str], timeout: float = TIMEOUT) -> Notes:
        """Wait until exactly these notes are listed, as (status, title), in whatever order."""
        for status, title in expected:
            self.wait_for_note(status, title, timeout=timeout)
        expect(self.app.by_test_id("note")).to_have_count(len(expected), timeout=timeout)
        return self

    def wait_for_note(self, status: str, title: str, timeout: float = TIMEOUT) -> Notes:
        """Wait until this note is listed with this status, whatever else is."""
        wanted = self.note(title).and_(self.page.locator(f'[data-status="{status}"]'))
        expect(wanted).to_have_count(1, timeout=timeout)
        return self

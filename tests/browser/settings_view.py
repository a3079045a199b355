"""The settings view as a person sees it."""

from __future__ import annotations

from playwright.sync_api import Locator

from tests.browser.page import App


class Settings:
    """The cards of the settings view of an app that is ready."""

    def __init__(self, app: App) -> None:
        self.app = app
        app.page.get_by_role("link", name="Settings").click()

    @property
    def name(self) -> Locator:
        """The field for the person's name."""
        return self.app.by_test_id("your-name")

    def card(self, test_id: str) -> Locator:
        """Return a part of the view by the page contract's name."""
        return self.app.by_test_id(test_id)

    def press(self, name: str) -> None:
        """Press a button."""
        self.app.page.get_by_role("button", name=name, exact=True).click()

    def choose(self, theme: str) -> None:
        """Choose a look."""
        self.card("theme").get_by_text(theme, exact=True).click()

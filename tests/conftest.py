"""The order of the tests: what is fast and says most about a fault comes first."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.examples import ON_THE_PAGE, examples

LAST = ("tests/pyodide/", "tests/browser/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow folders at the end; the order within a folder stays as it is."""
    items.sort(key=lambda item: next((i for i, f in enumerate(LAST, 1) if f in item.nodeid), 0))


def pytest_configure() -> None:
    """Show properties that say nothing of it on as many examples as suits the interpreter."""
    if ON_THE_PAGE:
        settings.register_profile("page", max_examples=examples(100), deadline=None)
        settings.load_profile("page")

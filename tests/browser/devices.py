"""Devices for tests: contexts of one browser that hold nothing, and have compiled the app before.

A new context fetches and compiles ten megabytes of interpreter, which costs more than most tests.
One that another test has used is as good once everything that a page can store is deleted: what is
left is the cache of the browser, as on any day but the first.
"""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from typing import Any

from playwright.sync_api import Browser, BrowserContext
from playwright.sync_api import Error as PlaywrightError

STORED = "indexeddb,cache_storage,service_workers,local_storage,cookies,file_systems"
"""Everything that a page can store."""


class Devices:
    """Lends contexts to tests, and empties them for the next one."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._lent: dict[BrowserContext, str] = {}
        self._empty: dict[str, list[BrowserContext]] = defaultdict(list)

    def take(self, **options: Any) -> BrowserContext:
        """Return a device that holds nothing; `end` has to be told when it is done with."""
        kind = json.dumps(options, sort_keys=True)
        empty = self._empty[kind]
        context = empty.pop() if empty else self._browser.new_context(**options)
        self._lent[context] = kind
        return context

    def end(self, context: BrowserContext, origin: str, *, sound: bool) -> None:
        """Close a context, or keep a lent one for the next test, if this one left it `sound`."""
        kind = self._lent.pop(context, None)
        with contextlib.suppress(PlaywrightError):  # its browser may have been killed
            if kind is not None and sound:
                _empty(context, origin)
                self._empty[kind].append(context)
            else:
                context.close()


def _empty(context: BrowserContext, origin: str) -> None:
    """Make a context as if its pages had never been: no page, no rule of a test, nothing stored."""
    for page in context.pages:
        page.close()
    context.unroute_all()
    context.set_offline(False)
    page = context.new_page()
    what = {"origin": origin, "storageTypes": STORED}
    context.new_cdp_session(page).send("Storage.clearDataForOrigin", what)
    page.close()

"""Many tabs of one device: all write, one sends, and the lead goes on at once."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page

from tests.browser.conftest import OpenApp
from tests.browser.device import wait_until
from tests.browser.faulty import FaultyServer
from tests.browser.page import App
from tests.browser.servers import Server

TABS = 8
EACH = 200
NO_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', {get: undefined}); delete Navigator.prototype.locks;"
LEASE = """() => new Promise(resolve => {
  const open = indexedDB.open("driftline");
  open.onsuccess = () => {
    const get = open.result.transaction("metadata").objectStore("metadata").get("lease");
    get.onsuccess = () => resolve(get.result?.value.holder ?? null, open.result.close());
  };
})"""


def leader_of(tabs: list[App]) -> App:
    """Return the tab that holds the leader's lock."""
    for tab in tabs:
        if tab.page.evaluate("""async () => {
          const { held } = await navigator.locks.query();
          const lock = held.find(({ name }) => name === "driftline");
          const mine = "probe-" + Math.random();
          return navigator.locks.request(mine, async () => {
            const found = (await navigator.locks.query()).held.find(({ name }) => name === mine);
            return found.clientId === lock?.clientId;
          });
        }"""):
            return tab
    raise AssertionError("no tab leads")


def crash(page: Page) -> None:
    """Have the tab's process die."""
    session = page.context.new_cdp_session(page)
    with contextlib.suppress(PlaywrightError):
        session.send("Page.crash")


def test_d2_killed_leader_is_replaced_within_a_second_and_sends_once(
    faulty: FaultyServer, open_app: OpenApp
) -> None:
    first = open_app(faulty).wait_installed().wait_for_connection("connected")
    second = first.another_tab()
    faulty.fault("delay", seconds=3)
    first.send("under way")

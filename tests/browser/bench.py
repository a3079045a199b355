"""A device with background sync in a real Chromium: its worker, its events, what it stores."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, CDPSession, Page, Worker
from playwright.sync_api import Error as PlaywrightError

from app.ports import Value
from tests.browser.faulty import FaultyServer
from tests.browser.servers import Server
from tests.browser.stored import Stores, kept, upgrade_steps, written
from tests.browser.watch import Watch

PERMISSIONS = ["background-sync", "notifications"]
WITHIN = 20.0
BLANK = "/assets/icon.svg"
"""A page of the same origin without the app: it reaches the storage and starts nothing."""

_DUMP = """async () => {
  const open = indexedDB.open("driftline");
  const db = await new Promise((ok, no) => {
    open.onsuccess = () => ok(open.result);
    open.onerror = no;
  });
  const stores = {};
  for (const name of db.objectStoreNames) {
    const all = db.transaction(name).objectStore(name).getAll();
    stores[name] = await new Promise(ok => (all.onsuccess = () => ok(all.result)));
  }
  db.close();
  return stores;
}"""
_LOAD = """async (stores) => {
  const open = indexedDB.open("driftline");
  const db = await new Promise((ok, no) => {
    open.onsuccess = () => ok(open.result);
    open.onerror = no;
  });
  const transaction = db.transaction(Object.keys(stores), "readwrite");
  for (const [name, values] of Object.entries(stores)) {
    transaction.objectStore(name).clear();
    for (const value of values) transaction.objectStore(name).put(value);
  }
  await new Promise((ok, no) => { transaction.oncomplete = ok; transaction.onabort = no; });
  db.close();
}"""

_INSTALL = """async (steps) => {
  await import("/assets/idb.js");
  (await driftlineIdb.open("driftline", steps, () => {})).close();
  await navigator.serviceWorker.register("/sw.js", {updateViaCache: "none"});
  await navigator.serviceWorker.ready;
}"""

_CLOSE_NOTIFICATIONS = """navigator.serviceWorker.ready
  .then(ready => ready.getNotifications()).then(all => all.forEach(one => one.close()))"""


class RecordingServer(FaultyServer):
    """A server that keeps what was pushed to it (tests/browser/recording.py)."""

    def __init__(self, folder: Path, *, steps: bool = False) -> None:
        Server.__init__(self, folder, "-m", "tests.browser.recording")
        self.environment = {"DRIFTLINE_STEPS": "1"} if steps else {}

    def pushes(self) -> list[str]:
        """Return the bodies of all pushes and pulls since its start."""
        with urllib.request.urlopen(f"{self.url}/__pushes__", timeout=10) as answer:
            return list(json.load(answer))


class Bench:
    """A blank page of the app's origin, through which a test drives the worker and the storage.

    Of the server it looks at what came since it was made, or since `begin`.
    """

    def __init__(self, context: BrowserContext, server: RecordingServer, watch: Watch) -> None:
        self.context = context
        self.server = server
        self.url = server.url
        self.watch = watch
        self.client = "c"
        self._begun = 0
        self._before = (0, 0)
        self.page: Page = context.new_page()
        self.page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        self.page.goto(self.url + BLANK)
        self._session: CDPSession = context.new_cdp_session(self.page)
        self._registration = ""
        self._session.on("ServiceWorker.workerRegistrationUpdated", self._registered)
        self._session.send("ServiceWorker.enable")
        wait_until(lambda: self._registration != "", self.page)

    @classmethod
    def without_python(
        cls, context: BrowserContext, server: RecordingServer, watch: Watch
    ) -> Bench:
        """Return one on a device where the app was installed, but the page never ran."""
        page = context.new_page()
        page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        page.goto(server.url + BLANK)
        page.evaluate(_INSTALL, json.dumps(upgrade_steps()))
        page.close()
        return cls(context, server, watch)

    def begin(self) -> None:
        """Make the device a new one, and forget what was: a test begins."""
        if self.page.url != self.url + BLANK:  # a test that failed left it elsewhere
            self.come_back()
        wait_until(self.idle, self.page)
        self._begun += 1
        self.client = f"c{self._begun}"
        self.server.fault("none")
        self._before = (len(self.server.stored()), len(self.server.pushes()))
        self.load(outbox=[], inbox=[], rows=[], metadata=list(self.metadata().values()))
        self.page.evaluate(_CLOSE_NOTIFICATIONS)
        self.watch.errors.clear()
        self.watch.allow.clear()

    def metadata(self, **more: Any) -> dict[str, Value]:
        """Return the records of a device that was told where the API is, by their keys."""
        courier = {"api": "./api", "local_types": []}
        values = {"client_id": self.client, "seq": 0, "courier": courier, **more}
        return {key: {"key": key, "value": it} for key, it in values.items() if it is not None}

    def queue(self, *texts: str) -> list[str]:
        """Have these messages wait on the device; returns their ids."""
        known = {it["key"]: it for it in self.stores()["metadata"]}
        outbox = written(kept({"metadata": [known["seq"]]}), self.client, list(texts))
        self.load(outbox=outbox)
        return [entry["id"] for entry in outbox]

    def stored(self) -> list[str]:
        """Return the texts of the messages that the server took."""
        return self.server.stored()[self._before[0] :]

    def requests(self) -> list[str]:
        """Return the bodies of the pushes and pulls that the server got."""
        return self.server.pushes()[self._before[1] :]

    def pushed(self) -> list[str]:
        """Return those of them that carried actions."""
        return [body for body in self.requests() if '"actions":[{' in body]

    def _registered(self, event: dict[str, Any]) -> None:
        for registration in event["registrations"]:
            if not registration["isDeleted"]:
                self._registration = registration["registrationId"]

    def sync(self, tag: str = "sync-actions", *, last_chance: bool = False) -> None:
        """Have the browser send the worker a `sync` event now."""
        self._session.send(
            "ServiceWorker.dispatchSyncEvent",
            {
                "origin": self.url,
                "registrationId": self._registration,
                "tag": tag,
                "lastChance": last_chance,
            },
        )

    def periodic_sync(self, tag: str) -> None:
        """Have the browser send the worker a `periodicsync` event now."""
        event = {"origin": self.url, "registrationId": self._registration, "tag": tag}
        self._session.send("ServiceWorker.dispatchPeriodicSyncEvent", event)

    def push(self, data: str) -> None:
        """Have the browser bring the worker a message of its push service."""
        message = {"origin": self.url, "registrationId": self._registration, "data": data}
        self._session.send("ServiceWorker.deliverPushMessage", message)

    def leave(self) -> None:
        """Leave the origin, so that no page of it is open any more."""
        self.page.goto("about:blank")

    def come_back(self) -> None:
        """Open the blank page of the origin again."""
        self.page.goto(self.url + BLANK)

    def tags(self) -> list[str]:
        """Return the tags that the browser still has to send an event for."""
        found: list[str] = self.page.evaluate(
            "navigator.serviceWorker.ready.then(ready => ready.sync.getTags())"
        )
        return found

    def notifications(self) -> list[str]:
        """Return the titles of the notifications that are shown."""
        found: list[str] = self.page.evaluate(
            "navigator.serviceWorker.ready.then(ready => ready.getNotifications())"
            ".then(all => all.map(({title}) => title))"
        )
        return found

    def told(self) -> list[str]:
        """Return the same while no page of the origin is open; the worker has to run."""
        found: list[str] = self.context.service_workers[-1].evaluate(
            "registration.getNotifications().then(all => all.map(({title}) => title))"
        )
        return found

    def windows(self) -> int:
        """Return how many pages of the origin the worker knows of; it has to run."""
        found: int = self.context.service_workers[-1].evaluate(
            "clients.matchAll({includeUncontrolled: true}).then(({length}) => length)"
        )
        return found

    def stop_worker(self) -> None:
        """Kill the worker where it stands."""
        self._session.send("ServiceWorker.stopAllWorkers")

    def worker(self) -> Worker:
        """Return the worker that runs, started if need be."""
        self.page.evaluate("navigator.serviceWorker.ready.then(r => r.active.postMessage({}))")
        wait_until(lambda: bool(self.context.service_workers), self.page)
        return self.context.service_workers[-1]

    def stores(self) -> Stores:
        """Return everything that the device stores."""
        found: Stores = self.page.evaluate(_DUMP)
        return found

    def load(self, **stores: list[dict[str, Any]]) -> None:
        """Put these values in the place of all that is in the stores of these names."""
        self.page.evaluate(_LOAD, stores)

    def idle(self) -> bool:
        """Tell whether neither a page nor the worker holds the leader's lock."""
        held: bool = self.page.evaluate(
            "navigator.locks.query().then(({held}) => held.some(lock => lock.name === 'driftline'))"
        )
        return not held

    def sent(self) -> list[str]:
        """Return the ids of the actions that the inbox has an answer for."""
        inbox = self.stores()["inbox"]
        return [it["id"] for record in inbox if record["answer"] for it in record["actions"]]


def wait_until(condition: Callable[[], bool], page: Page, within: float = WITHIN) -> None:
    """Wait until `condition` holds, while the browser goes on."""
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until, f"did not happen within {within} s"
        with contextlib.suppress(PlaywrightError):
            page.wait_for_timeout(50)

"""Starts of a page in Chromium, measured by the page's own clock and the browser's own counts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Request

TIMEOUT = 120.0
DWELL = 5.0
"""Seconds that a page stays open while a profile is prepared: Chromium keeps compiled WebAssembly
only once it has been optimised in the background, some seconds after a start."""

_TASKS = """globalThis.blockedTime = 0;
new PerformanceObserver(list => {
  for (const task of list.getEntries()) globalThis.blockedTime += task.duration - 50;
}).observe({ type: "longtask" });"""
_START = """([mark, wanted]) => new Promise((resolve, reject) => {
  const root = document.documentElement;
  const look = () => {
    if (root.dataset.ready !== "true") return;
    observer.disconnect();
    const ready = performance.getEntriesByName(mark)[0].startTime;
    const shown = document.querySelectorAll('[data-testid="message"]').length;
    if (shown !== wanted) return reject(new Error(`${shown} messages shown, not ${wanted}`));
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => resolve({ ready, painted: performance.now(), blocked: blockedTime });
      port2.postMessage(null);
    });
  };
  const observer = new MutationObserver(look);
  observer.observe(root, { attributeFilter: ["data-ready"] });
  look();
})"""
_ACTIVE = "navigator.serviceWorker.ready.then(() => null)"
_STORED = """() => new Promise((resolve, reject) => {
  const opened = indexedDB.open("driftline");
  opened.onerror = () => reject(opened.error);
  opened.onsuccess = () => {
    const counted = opened.result.transaction("rows").objectStore("rows").count();
    counted.onsuccess = () => (opened.result.close(), resolve(counted.result));
  };
})"""


@dataclass(frozen=True)
class Target:
    """A page to start: its address, the mark that it sets when it takes input, and how many
    messages it shows then at a warm start."""

    url: str
    mark: str
    messages: int = 0


@dataclass(frozen=True)
class Start:
    """One start. Seconds from navigation until the page takes input (`ready`) and until the next
    frame is painted; then, until that frame: seconds of CPU time on the page's main thread
    (`busy`), what its tasks took beyond 50 ms each, in which the page could not answer a tap
    (`blocked`, Lighthouse's total blocking time), and bytes received, headers included."""

    ready: float
    painted: float
    busy: float
    blocked: float
    received: int


class Meter:
    """What Chromium reports of one page: the work of its main thread, and what comes over the
    network (compressed bodies and headers; nothing for what caches or a service worker answer)."""

    def __init__(self, page: Page) -> None:
        self.received = 0
        self._session = page.context.new_cdp_session(page)
        self._session.on("Network.loadingFinished", self._finished)
        self._session.send("Network.enable")
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy(self) -> float:
        """Return the seconds of CPU time that tasks have taken on the main thread."""
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return float(next(it["value"] for it in metrics if it["name"] == "TaskDuration"))

    def _finished(self, event: dict[str, Any]) -> None:
        self.received += round(event["encodedDataLength"])


def start(page: Page, target: Target, messages: int) -> Start:
    """Start `target` in a fresh page; raises where it then shows another number of messages."""
    page.set_default_timeout(TIMEOUT * 1000)
    page.add_init_script(_TASKS)
    meter = Meter(page)
    page.goto(target.url, wait_until="commit")
    found = page.evaluate(_START, [target.mark, messages])
    received = meter.received
    ready, painted, blocked = (found[name] / 1000 for name in ("ready", "painted", "blocked"))
    return Start(ready, painted, meter.busy(), blocked, received)


def cold_start(browser: Browser, target: Target) -> Start:
    """Start a page on a new device: nothing cached, stored or compiled yet."""
    context = browser.new_context()
    try:
        return start(context.new_page(), target, 0)
    finally:
        context.close()


def installing(browser: Browser, target: Target) -> int:
    """Return the bytes that the service worker receives on a new device until it is active."""
    context = browser.new_context()
    requests: list[Request] = []
    context.on("requestfinished", lambda request: requests.append(request))
    try:
        page = context.new_page()
        start(page, target, 0)
        page.evaluate(_ACTIVE)
        sizes = [request.sizes() for request in requests if request.service_worker]
        return sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes)
    finally:
        context.close()


class Device:
    """A browser profile on disk in which pages have been before.

    Each start is in a new tab, so in a process of its own, as when a person opens the app: a
    reload would find the compiled interpreter still in memory.
    """

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self._workers = context.new_cdp_session(context.new_page())
        self._workers.send("ServiceWorker.enable")

    def install(self, target: Target, stored: int) -> None:
        """Open Driftline until it has `stored` rows on the device and its worker is active."""
        page = self._context.new_page()
        start(page, target, 0)
        page.evaluate(_ACTIVE)
        until = time.monotonic() + TIMEOUT
        while (count := page.evaluate(_STORED)) < stored:
            if time.monotonic() > until:
                raise RuntimeError(f"{count} of {stored} messages reached the device")
            page.wait_for_timeout(100)
        self._leave(page)

    def warm_start(self, target: Target, dwell: float = 0) -> Start:
        """Start a page in a new tab, its service worker not running; stay for `dwell` seconds."""
        page = self._context.new_page()
        measured = start(page, target, target.messages)
        page.wait_for_timeout(dwell * 1000)
        self._leave(page)
        return measured

    def _leave(self, page: Page) -> None:
        page.close()
        self._workers.send("ServiceWorker.stopAllWorkers")

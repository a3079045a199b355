"""The boot benchmark: cold and warm starts of both pages, alternating, in one run."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Playwright, sync_playwright

from bench.boot.host import Host
from bench.boot.stock import MARK, write_stock_page
from bench.boot.visits import DWELL, Device, Start, Target, cold_start, installing
from bench.report import Comparison, Report
from runtime.build import build
from runtime.wheels import fetch_wheels
from tests.browser.chrome import Profile, launch_options
from tests.browser.servers import Server

MESSAGES = 1_000
SHOWN = 40
"""Messages that the app draws before it says that it is ready."""

WARM_LIMIT = 0.45
COLD_LIMIT = 0.75
_PREPARING_STARTS = 2
PAUSE = 0.3
"""Seconds between two starts, for the one before to end."""
_TEXT = (
    "Message {number:04d}: the pump at kilometre {number} runs again; spare seals are in the van."
)

Starts = dict[str, Callable[[], Start]]
Measured = dict[str, list[Start]]


def run(rounds: int) -> Report:
    """Measure `rounds` rounds, after one that is dropped, and return what came of them."""
    _say("boot: preparing both pages and their profiles")
    build()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftline-")))
        playwright = stack.enter_context(sync_playwright())
        write_stock_page(fetch_wheels(), folder / "stock")
        stock = Target(stack.enter_context(Host(folder / "stock")).url, MARK)
        running, stopped = (seeded(folder / name, stack) for name in ("running", "stopped"))
        online, offline = target_of(running), target_of(stopped)
        device = _device(playwright, folder / "profile", stack)
        for target in (online, offline):
            device.install(target, MESSAGES)
        stopped.stop()
        for target in (offline, stock, online) * _PREPARING_STARTS:
            device.warm_start(target, DWELL)
        browser = playwright.chromium.launch(**launch_options())
        stack.callback(browser.close)
        starts: Starts = {
            "ours cold": lambda: cold_start(browser, online),
            "stock cold": lambda: cold_start(browser, stock),
            "ours offline": lambda: device.warm_start(offline),
            "stock warm": lambda: device.warm_start(stock),
            "ours online": lambda: device.warm_start(online),
        }
        measured = measure(starts, rounds)
        return report(measured, installing(browser, online), _environment(browser))


def measure(starts: Starts, rounds: int, pause: float = PAUSE) -> Measured:
    """Carry out all starts in each round, forwards and backwards in turn; drop the first round."""
    measured: Measured = {name: [] for name in starts}
    for number in range(rounds + 1):
        order = list(starts.items())
        for name, start in order if number % 2 else reversed(order):
            measured[name].append(start())
            time.sleep(pause)
        times = ", ".join(f"{name} {found[-1].ready:.2f} s" for name, found in measured.items())
        _say(f"boot: {f'round {number}' if number else 'dropped round'}: {times}")
    return {name: found[1:] for name, found in measured.items()}


def report(measured: Measured, installed: int, environment: dict[str, Any]) -> Report:
    """Set ours against stock; `installed` is what the service worker received on top, in bytes."""

    def compare(name: str, ours: str, field: str, limit: float | None = None) -> Comparison:
        theirs = "stock cold" if ours == "ours cold" else "stock warm"
        unit, scale = ("MB", 1e6) if field == "received" else ("s", 1)
        mine, other = (
            [getattr(start, field) / scale for start in measured[which]] for which in (ours, theirs)
        )
        return Comparison(name, unit, mine, other, limit)

    comparisons = [
        compare("warm, our server stopped", "ours offline", "ready", WARM_LIMIT),
        compare("  until painted", "ours offline", "painted"),
        compare("  main thread's CPU", "ours offline", "busy"),
        compare("  blocked", "ours offline", "blocked"),
        compare("warm, our server running", "ours online", "ready"),
        compare("cold", "ours cold", "ready", COLD_LIMIT),
        compare("  main thread's CPU", "ours cold", "busy"),
        compare("  blocked", "ours cold", "blocked"),
        compare("  received", "ours cold", "received"),
    ]
    return Report("boot", "stock", comparisons, _notes(installed), environment)


def _notes(installed: int) -> list[str]:
    return [
        f"Ours is the whole app, warm with {MESSAGES:,} messages stored and {SHOWN} drawn; stock "
        "imports pydantic and validates one model.",
        "Time runs from navigation to the page's own mark that it takes input.",
        "Blocked: what tasks on the main thread take beyond 50 ms each, when a tap has to wait.",
        "Warm: a new tab, and so a new process, in a profile on disk where each page was opened "
        "before and left open for some seconds, as Chromium needs to keep what it has compiled; "
        "stock from the HTTP cache, its server running; ours from its service worker, which is "
        "not running yet.",
        "Cold: a new browser context, with no cache, storage or compiled code; the servers are on "
        "this machine, so no time is lost to a network.",
        f"After a cold start our service worker receives {installed / 1e6:.2f} MB more, to keep "
        "everything on the device.",
    ]


def seeded(folder: Path, stack: ExitStack) -> Server:
    """Start a server in the new folder `folder`, with messages; the stack ends it."""
    folder.mkdir()
    server = Server(folder)
    stack.callback(server.close)
    server.start()
    server.add_messages(*[_TEXT.format(number=number) for number in range(MESSAGES)])
    return server


def target_of(server: Server) -> Target:
    """Return the app of such a server, as a page to start."""
    return Target(f"{server.url}/", "driftline:ready", SHOWN)


def _device(playwright: Playwright, folder: Path, stack: ExitStack) -> Device:
    profile = Profile(playwright, folder)
    stack.callback(profile.close)
    return Device(profile.launch())


def _environment(browser: Browser) -> dict[str, Any]:
    load = f"{os.getloadavg()[0]:.1f}"
    return {"Chromium": browser.version, "cores": os.cpu_count(), "load average": load}


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")

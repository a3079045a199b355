"""The Lighthouse benchmark: how it scores the messages of somebody who has been here before.

Lighthouse (pinned in `bench/tools`) opens the page in Chromium on a profile in which it was opened
and left open: the service worker is installed, the messages are on the device, the machine code of
the interpreter is cached (`--disable-storage-reset`). It judges twice, with its own settings:

mobile   its default: the window of a phone, simulated slow 4G and a CPU four times slower
desktop  its preset `desktop`: a wide window, 10 Mbit/s, the CPU as it is

Each is repeated, and the medians count, as Lighthouse's authors advise. Times come from a trace, so
they are those of the machine and of what else it does: a busy one cannot pass.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from bench.boot.run import MESSAGES, seeded, target_of
from bench.boot.visits import DWELL, Device
from bench.lighthouse.report import CATEGORIES, FORMS, Judged, Report
from runtime.build import build
from runtime.npm import ToolError, find_node
from scripts.chromium import find
from scripts.node_tools import install
from tests.browser.chrome import Profile
from tests.browser.servers import ROOT, Server

RUNS = 5
VISITS = 2
"""How often the page was opened before: Chromium keeps compiled code from the second time on."""
PATIENCE = 300
"""Seconds that one judgement may take."""
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu")


def run(runs: int) -> Report:
    """Let Lighthouse judge the page `runs` times in each form, and return what came of it."""
    build()
    tools = install(ROOT / "bench/tools")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftline-")))
        server = seeded(folder / "server", stack)
        profile = folder / "profile"
        _visit(server, profile)
        judged: dict[str, list[Judged]] = {form: [] for form in FORMS}
        for number in range(runs):
            for form, found in judged.items():
                found.append(_judge(tools, f"{server.url}/#/messages", profile, form))
                _say(f"lighthouse: {number + 1} of {runs}, {form}: {found[-1].scores}")
    return Report(judged, {"cores": os.cpu_count(), "load average": f"{os.getloadavg()[0]:.1f}"})


def _visit(server: Server, folder: Path) -> None:
    """Open the page in a new profile until everything is there, and then some times more."""
    with sync_playwright() as playwright:
        profile = Profile(playwright, folder)
        device = Device(profile.launch())
        device.install(target_of(server), MESSAGES)
        for _ in range(VISITS):
            device.warm_start(target_of(server), DWELL)
        profile.close()


def _judge(tools: Path, url: str, profile: Path, form: str) -> Judged:
    """Run Lighthouse once. Raises ToolError where it does not come to an end, or to no scores."""
    node = find_node()
    command = [node.node, str(tools / "lighthouse/cli/index.js"), url, *FORMS[form]]
    flags = " ".join((*_FLAGS, f"--user-data-dir={profile}"))
    options = ["--quiet", "--output=json", "--disable-storage-reset", f"--chrome-flags={flags}"]
    done = subprocess.run(
        [*command, *options, f"--only-categories={','.join(CATEGORIES)}"],
        env={**node.environment(), "CHROME_PATH": find() or ""},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode != 0:
        raise ToolError(f"Lighthouse failed:\n{done.stderr[-2000:]}")
    return Judged.read(_parsed(done.stdout))


def _parsed(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    if problem := found.get("runtimeError"):
        raise ToolError(f"Lighthouse came to no judgement: {problem['message']}")
    return found


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")

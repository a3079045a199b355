"""Chromium for tests: where it is, how it is started, and how it is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Playwright
from playwright.sync_api import Error as PlaywrightError

from scripts.chromium import find_on_path

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch_options(*flags: str) -> dict[str, Any]:
    """Return how to start Chromium: the machine's own, or else the one Playwright keeps."""
    found = find_on_path()
    which = {"executable_path": found} if found else {"channel": "chromium"}
    return {"args": [*FLAGS, *flags], **which}


class Profile:
    """A browser profile on disk, which outlives the browser that a test closes or kills."""

    def __init__(self, playwright: Playwright, folder: Path) -> None:
        self._playwright = playwright
        self._folder = folder
        self._context: BrowserContext | None = None

    def launch(self, *flags: str, **options: Any) -> BrowserContext:
        """Start a browser on this profile; the one before it must be gone."""
        self._context = self._playwright.chromium.launch_persistent_context(
            self._folder, **launch_options(*flags), **options
        )
        return self._context

    def close(self) -> None:
        """Close the browser properly, if one is running."""
        if self._context is not None:
            with contextlib.suppress(PlaywrightError):
                self._context.close()
            self._context = None

    def kill(self) -> None:
        """End the browser and all its processes without warning (SIGKILL)."""
        assert self._context is not None, "no browser is running"
        for group in {os.getpgid(pid) for pid in self._processes()} - {os.getpgrp()}:
            os.killpg(group, signal.SIGKILL)
        until = time.monotonic() + 10
        while self._processes() and time.monotonic() < until:
            time.sleep(0.02)
        self.close()

    def _processes(self) -> list[int]:
        listed = subprocess.run(
            ["ps", "-axo", "pid=,stat=,command="], capture_output=True, text=True, check=True
        ).stdout
        rows = (line.split(None, 2) for line in listed.splitlines())
        mine = f"--user-data-dir={self._folder}"
        return [int(pid) for pid, state, command in rows if mine in command and state[0] != "Z"]

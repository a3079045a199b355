"""Make sure that there is a Chromium for the browser tests: `python -m scripts.chromium`.

The machine's own is taken, else the one that Playwright keeps, else Playwright is asked to fetch
its own, else the system's package manager.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from scripts.installing import apt_commands, run

NAMES = ("chromium", "chromium-browser", "google-chrome")
HELP = (
    "The browser tests need Chromium, and no way to install it worked here. Install Chromium or "
    "Chrome so that one of " + ", ".join(NAMES) + " is on the PATH, and try again."
)


def find_on_path() -> str | None:
    """Return the machine's own Chromium, if it has one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def find_playwrights() -> str | None:
    """Return the Chromium that Playwright has fetched earlier, if it has and it starts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() and not run([path, "--version"]) else None


def find() -> str | None:
    """Return a Chromium that is there now."""
    return find_on_path() or find_playwrights()


def installers() -> Iterator[tuple[str, list[list[str]], Mapping[str, str]]]:
    """Give the ways to install one that can be tried here: a name, commands, environment."""
    fetch = [sys.executable, "-m", "playwright", "install", "--no-shell", "chromium"]
    yield "Playwright", [fetch], {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "10000"}
    if apt := apt_commands("chromium", "fonts-liberation"):
        yield "apt", apt, {}


def install(say: Callable[[str], object]) -> str | None:
    """Try each way until there is a Chromium; return it."""
    for name, commands, environment in installers():
        say(f"Installing Chromium for the browser tests with {name}")
        for command in commands:
            problem = run(command, environment)
            if problem:
                say(f"  did not work: {problem}")
                break
        else:
            if found := find():
                return found
    return None


def main() -> int:
    """Return an exit status: 0 once there is a Chromium."""
    if find() or install(lambda line: sys.stderr.write(f"{line}\n")):
        return 0
    sys.stderr.write(f"{HELP}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

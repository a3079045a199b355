"""The same files on a plain static host, under a sub-path, with no API: the offline half works."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenApp
from tests.browser.servers import ROOT, free_port

PATH = "some/path"
NO_API = ["status of 501", "status of 404", "status of 405"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the static site into a folder below the host's root."""
    root = tmp_path_factory.mktemp("host")
    command = [sys.executable, "serve.py", "build", "--out", str(root / PATH)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return root


class StaticHost:
    """Python's own `http.server`, which knows nothing of Driftline."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}/{PATH}/"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return once it answers."""
        module = ["-m", "http.server", str(self._port), "--bind", "127.0.0.1"]
        self._process = subprocess.Popen(
            [sys.executable, *module, "--directory", str(self._root)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                with urllib.request.urlopen(self.url, timeout=2):
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("The static host did not start.")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def host(site: Path) -> Iterator[StaticHost]:
    running = StaticHost(site)
    running.start()
    yield running
    running.stop()


def test_offline_half_of_the_main_job_without_an_api(host: StaticHost, open_app: OpenApp) -> None:
    app = open_app(host.url)
    app.watch.allow += NO_API
    app.wait_installed().wait_for_connection("disconnected")
    expect(app.by_test_id("connection")).to_contain_text("Not connected to a server")
    app.send("one").send("two")
    app.wait_for_messages(("pending", "one"), ("pending", "two"))
    assert app.badge("pending") == "2 pending"
    host.stop()
    app.offline()
    app.reload().wait_for_messages(("pending", "one"), ("pending", "two"))
    assert app.badge("pending") == "2 pending"


def test_every_request_stays_below_the_sub_path(host: StaticHost, open_app: OpenApp) -> None:
    app = open_app(host.url)
    app.watch.allow += NO_API
    app.wait_installed()
    outside = [url for url in app.watch.requests if not url.startswith(host.url)]
    assert outside == []

"""The app starts from the device; a new version waits for the person, and comes whole or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import expect

from server.build import write_site
from server.precache import with_manifest
from server.site import Site, collect_site
from tests.browser.conftest import OpenApp
from tests.browser.servers import ROOT, Server
from tests.browser.test_static_host import NO_API


class QuietHandler(SimpleHTTPRequestHandler):
    """A static host for one folder, with the types that modules and WebAssembly need."""

    extensions_map = {  # the base class declares it so
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the test's own output is enough."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "site"


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    folder.mkdir()
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def titled(site: Site, title: str) -> Site:
    """Return another version of the site: the same, but for the page's heading."""
    page = site["index.html"]
    body = page.body.replace(b">Driftline</h1>", f">{title}</h1>".encode())
    return {**site, "index.html": replace(page, body=body)}


@pytest.fixture
def publish(folder: Path) -> Callable[[str], Site]:
    site = collect_site(ROOT)

    def write(title: str) -> Site:
        version = with_manifest(titled(site, title))
        write_site(version, folder)
        return version

    return write


def test_app_starts_with_the_server_stopped(server: Server, open_app: OpenApp) -> None:
    app = open_app(server).wait_installed()
    app.send("kept").wait_for_messages(("sent", "kept"))
    server.stop()
    app.reload().wait_for_messages(("sent", "kept"))
    app.page.goto(f"{app.url}#/messages")
    app.wait_ready().wait_for_messages(("sent", "kept"))


def test_new_version_waits_until_the_person_taps_update(
    url: str, publish: Callable[[str], Site], open_app: OpenApp
) -> None:
    publish("Version 1")
    app = open_app(url)
    app.watch.allow += NO_API
    app.wait_installed().reload()
    publish("Version 2")
    app.page.evaluate("navigator.serviceWorker.ready.then(ready => ready.update()).then(() => {})")
    expect(app.by_test_id("update")).to_be_visible(timeout=20_000)
    app.reload()
    expect(app.page.locator("h1")).to_have_text("Version 1")
    app.by_test_id("update").get_by_role("button", name="Update").click()
    expect(app.page.locator("h1")).to_have_text("Version 2", timeout=20_000)
    app.wait_ready()
    expect(app.by_test_id("update")).to_be_hidden()


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_version_that_does_not_arrive_whole_is_not_installed(
    url: str, folder: Path, publish: Callable[[str], Site], open_app: OpenApp, damage: str
) -> None:
    publish("Version 1")
    app = open_app(url)
    app.watch.allow += [*NO_API, "integrity", "bad-precaching-response", "Failed to fetch"]
    app.wait_installed().reload()
    publish("Version 2")
    if damage == "missing":
        (folder / "index.html").unlink()
    else:
        (folder / "index.html").write_text("<title>Something else</title>")
    outcome = app.page.evaluate("""async () => {
      const registration = await navigator.serviceWorker.ready;
      const found = new Promise(resolve => registration.addEventListener("updatefound",
        () => { const worker = registration.installing; worker.addEventListener("statechange",
          () => ["installed", "redundant"].includes(worker.state) && resolve(worker.state)); }));
      await registration.update().catch(() => {});
      return found;
    }""")
    assert outcome == "redundant"
    app.reload()
    expect(app.page.locator("h1")).to_have_text("Version 1")
    expect(app.by_test_id("update")).to_be_hidden()


def test_responses_of_the_api_are_never_cached(server: Server, open_app: OpenApp) -> None:
    app = open_app(server).wait_installed().reload()
    app.send("secret").wait_for_messages(("sent", "secret"))
    cached = app.page.evaluate("""async () => {
      const urls = [];
      for (const name of await caches.keys())
        for (const request of await (await caches.open(name)).keys()) urls.push(request.url);
      return urls;
    }""")
    assert cached
    assert not [found for found in cached if "/api/" in found]

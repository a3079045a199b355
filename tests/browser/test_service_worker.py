"""The app starts from the device; a new version waits for the person, and comes whole or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import pytest
from playwright.sync_api import Locator, expect

from server.build import write_site
from server.precache import with_manifest, without_worker
from server.site import Site, collect_site
from tests.browser.bench import wait_until
from tests.browser.conftest import OpenApp
from tests.browser.page import App
from tests.browser.servers import ROOT, Server
from tests.browser.test_static_host import NO_API


class QuietHandler(SimpleHTTPRequestHandler):
    """A static host for one folder, with the types that modules and WebAssembly need."""

    extensions_map = {  # the base class declares it so
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    cut = ""

    def do_GET(self) -> None:
        """Send the file whatever the browser has: two versions may be of the same second."""
        del self.headers["If-Modified-Since"]
        super().do_GET()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send the file; the one called `cut` breaks off in the middle."""
        body = source.read()
        is_cut = self.cut and self.path.endswith(self.cut)
        outputfile.write(body[: len(body) // 2] if is_cut else body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the test's own output is enough."""


UPDATE = "navigator.serviceWorker.ready.then(ready => ready.update()).then(() => {})"
INSTALL = """async () => {
  const registration = await navigator.serviceWorker.ready;
  const found = new Promise(resolve => {
    setTimeout(resolve, 20_000, "nothing new");
    registration.addEventListener("updatefound", () => {
      const worker = registration.installing;
      worker.addEventListener("statechange",
        () => ["installed", "redundant"].includes(worker.state) && resolve(worker.state));
    });
  });
  await registration.update().catch(() => {});
  return found;
}"""
CACHED = """async () => {
  const found = {};
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys())
      found[request.url] = (await cache.match(request)).headers.get("content-type");
  }
  return found;
}"""


GONE = """async () => !(await navigator.serviceWorker.getRegistrations()).length
  && !(await caches.keys()).some(name => name.includes("precache"))"""


class Publish(Protocol):
    """Puts a version of the site on the host, after `change` if there is one; returns it."""

    def __call__(self, title: str, change: Callable[[Site], Site] | None = None) -> Site: ...


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
def publish(folder: Path) -> Publish:
    site = collect_site(ROOT)

    def write(title: str, change: Callable[[Site], Site] | None = None) -> Site:
        changed = site if change is None else change(site)
        version = with_manifest(titled(changed, title))
        write_site(version, folder)
        return version

    return write


@pytest.fixture
def device(url: str, publish: Publish, open_app: OpenApp) -> App:
    """Return the app of version 1, which is installed."""
    publish("Version 1")
    app = open_app(url)
    app.watch.allow += [*NO_API, "integrity", "bad-precaching-response", "Failed to fetch"]
    app.watch.allow += ["CONTENT_LENGTH_MISMATCH", "net::ERR_FAILED"]
    return app.wait_installed().reload()


def test_app_starts_with_the_server_stopped(server: Server, open_app: OpenApp) -> None:
    app = open_app(server).wait_installed()
    app.send("kept").wait_for_messages(("sent", "kept"))
    server.stop()
    app.reload().wait_for_messages(("sent", "kept"))
    app.page.goto(f"{app.url}#/messages")
    app.wait_ready().wait_for_messages(("sent", "kept"))


def heading(app: App) -> Locator:
    """Return what says which version the page is."""
    return app.page.locator("h1")


def test_new_version_waits_until_the_person_taps_update(publish: Publish, device: App) -> None:
    publish("Version 2")
    device.page.evaluate(UPDATE)
    expect(device.by_test_id("update")).to_be_visible(timeout=20_000)
    expect(heading(device.reload())).to_have_text("Version 1")
    device.by_test_id("update").get_by_role("button", name="Update").click()
    expect(heading(device)).to_have_text("Version 2", timeout=20_000)
    device.wait_ready()
    expect(device.by_test_id("update")).to_be_hidden()


def test_e3_new_version_meets_no_page_of_the_old_one_while_two_tabs_are_open(
    url: str, publish: Publish, device: App
) -> None:
    first, second = device, device.another_tab()
    publish("Version 2")
    first.page.evaluate(UPDATE)
    for tab in (first, second):
        expect(tab.by_test_id("update")).to_be_visible(timeout=20_000)
    first.by_test_id("update").get_by_role("button", name="Update").click()
    expect(first.by_test_id("notice")).to_have_text(
        "Driftline is open in another tab. Close it, then tap Update again."
    )
    expect(heading(first.reload())).to_have_text("Version 1")
    expect(heading(second)).to_have_text("Version 1")
    assert "Version 1" in second.page.evaluate("fetch('./index.html').then(it => it.text())")
    first.page.close()
    second.by_test_id("update").get_by_role("button", name="Update").click()
    expect(heading(second)).to_have_text("Version 2", timeout=20_000)
    second.wait_ready()
    publish("Version 3")
    second.page.evaluate(UPDATE)
    expect(second.by_test_id("update")).to_be_visible(timeout=20_000)
    newest, empty = second.context.service_workers[-1], second.context.new_page()
    second.page.close()
    wait_until(lambda: newest.evaluate("serviceWorker.state") == "activated", empty)
    third = App(empty, url, second.watch).goto()
    expect(heading(third)).to_have_text("Version 3", timeout=20_000)


def moved(site: Site) -> Site:
    """Return the same site with its runtime under another address, as a new runtime has one."""
    before = next(url for url in site if url.endswith(".wasm")).split("/")[1]
    after = before[::-1]
    return {
        url.replace(before, after): replace(
            file, body=file.body.replace(before.encode(), after.encode())
        )
        for url, file in site.items()
    }


def altered(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2] + b"?>")


def interrupted(path: Path) -> None:
    QuietHandler.cut = path.name


def a_page(path: Path) -> None:
    path.write_text("<title>Log in to this network</title>")


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, "index.html"),
    "altered": (altered, "index.html"),
    "interrupted": (interrupted, "index.html"),
    "a page": (a_page, "pyodide.asm.wasm"),
}


def test_e4_e6_version_that_does_not_arrive_whole_leaves_the_old_one_at_work(
    folder: Path, publish: Publish, device: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = device.page.evaluate(CACHED)
    for damage, (spoil, name) in DAMAGES.items():
        monkeypatch.setattr(QuietHandler, "cut", "")
        site = publish(f"With {damage}", moved if name.endswith(".wasm") else None)
        (found,) = [path for path in site if path.endswith(name)]
        spoil(folder / found)
        assert device.page.evaluate(INSTALL) == "redundant", damage
    after = device.page.evaluate(CACHED)
    assert {key: after.get(key) for key in before} == before
    assert {kind for path, kind in after.items() if ".wasm" in path} == {"application/wasm"}
    expect(heading(device.reload())).to_have_text("Version 1")
    expect(device.by_test_id("update")).to_be_hidden()


def test_kill_switch_takes_the_worker_away_and_leaves_what_was_written(
    publish: Publish, device: App
) -> None:
    device.send("kept")
    publish("Version 2", without_worker)
    device.page.evaluate("navigator.serviceWorker.ready.then(ready => { ready.update(); })")
    expect(heading(device)).to_have_text("Version 2", timeout=20_000)
    device.wait_ready().wait_for_messages(("pending", "kept"))
    device.page.wait_for_function(GONE)
    expect(heading(device.reload())).to_have_text("Version 2")
    publish("Version 3")
    device.reload().wait_installed()
    expect(heading(device.reload())).to_have_text("Version 3")


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

"""A handler written with plain `urllib.request` carries out an action in the browser."""

from __future__ import annotations

import json

from playwright.sync_api import Route

from tests.browser.conftest import OpenApp
from tests.browser.servers import ROOT, Server

PAGE = """<!doctype html><meta charset="utf-8"><title>Handler</title>
<link rel="icon" href="./assets/icon.svg">
<meta name="driftline-api" content="./api">
<script type="module" src="./repo/assets/idb.js"></script>
<script type="module" src="./repo/runtime/dist/pyscript/core.js"></script>
<mpy-config hidden>{"plugins": ["!codemirror", "!deprecations-manager", "!donkey", "!error",
  "!py-editor", "!py-game", "!py-terminal"]}</mpy-config>
<p id="result"></p>
<script type="py" config="./repo/pyscript.toml">
import asyncio, json, sys, urllib.request
from js import document, location
from app.browser.ffi import BrowserClock, BrowserRandom
from app.browser.http import browser_http, patch_standard_http
from app.browser.idb import IndexedDBStore
from app.browser.tabs import LockLeadership, TabChannel
from app.sync.client import Client, World

client = Client(World(
    store=IndexedDBStore("handlers"),
    http=browser_http,
    clock=BrowserClock(),
    random=BrowserRandom(),
    leadership=LockLeadership("handlers"),
    channel=TabChannel("handlers"),
    prepare_handlers=patch_standard_http,
), "./api")
await client.start()
patched_at_start = "pyodide_http" in sys.modules
handled = asyncio.Event()

@client.handler("fetch_health")
def fetch_health(action):
    request = urllib.request.Request(location.origin + action.data["path"])
    with urllib.request.urlopen(request) as answer:
        document.getElementById("result").dataset.answer = answer.read().decode()
    handled.set()

running = asyncio.ensure_future(client.run())
await client.queue.add("fetch_health", {"path": "/api/health"})
await handled.wait()
while client.queue.count:
    await asyncio.sleep(0.01)
left = await client.queue.pending()
document.getElementById("result").textContent = json.dumps([patched_at_start, len(left)])
</script>"""

# A worker that is there already would answer every navigation with the app.
FORGET_WORKER = "navigator.serviceWorker.ready.then(registration => registration.unregister())"


def test_handler_with_plain_urllib_runs_and_settles(server: Server, open_app: OpenApp) -> None:
    def serve(route: Route) -> None:
        name = route.request.url.removeprefix(server.url).partition("?")[0].lstrip("/")
        if name == "handler.html":
            route.fulfill(body=PAGE, content_type="text/html; charset=utf-8")
            return
        path = ROOT / name.removeprefix("repo/")
        kind = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
        content_type = kind.get(path.suffix, "application/octet-stream")
        body = path.read_bytes()
        if path.name == "pyscript.toml":
            body = body.replace(b"./runtime/dist/", b"./repo/runtime/dist/")
        route.fulfill(body=body, content_type=content_type)

    app = open_app(server)
    app.page.evaluate(FORGET_WORKER)
    app.page.close()
    page = app.context.new_page()
    page.route("**/repo/**", serve)
    page.route("**/handler.html", serve)
    page.goto(f"{server.url}/handler.html")
    page.wait_for_function("document.getElementById('result').textContent", timeout=30_000)
    result = page.locator("#result")
    assert json.loads(result.text_content() or "") == [False, 0]
    assert json.loads(result.get_attribute("data-answer") or "")["status"] == "ok"

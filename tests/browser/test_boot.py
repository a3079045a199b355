"""The app starts with nothing but its own files, and says in words why where it cannot."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any
from urllib.parse import urljoin
from urllib.request import urlopen

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import OpenApp, OpenProfile, Spoil
from tests.browser.page import App
from tests.browser.servers import Server

SAMPLED = (
    "--enable-features=HeapProfilerReporting:stable-probability/1.0/nonstable-probability/1.0/"
    "renderer-sampling-rate-bytes/100000"
)
"""Chromium looks at the stack of one allocation in 100 kB, which it does in few processes else."""
KEPT = "Messages stored on this device are kept"


def served(server: Server, path: str) -> str:
    """Return a text file as the server gives it."""
    with urlopen(f"{server.url}/{path}", timeout=10) as answer:
        return str(answer.read().decode())


def precached(server: Server) -> set[str]:
    """Return the addresses in the precache manifest."""
    script = served(server, "precache-manifest.js")
    entries = json.loads(script.split("=", 1)[1].strip().rstrip(";"))
    return {urljoin(f"{server.url}/", entry["url"]) for entry in entries}


def shown_by_the_system(server: Server) -> set[str]:
    """Return what only the operating system asks for, once the app is installed: its icons."""
    manifest = json.loads(served(server, "manifest.json"))
    icons = [icon["src"] for icon in manifest["icons"]]
    return {urljoin(f"{server.url}/", path) for path in ["manifest.json", *icons]}


def loaded(app: App) -> set[str]:
    """Return the page's own files that were asked for, without fragments."""
    files = {url.partition("#")[0] for url in app.watch.requests if "/api/" not in url}
    return {f"{url}index.html" if url == app.url else url for url in files}


def first_visit(_context: BrowserContext) -> None:
    """Prepare nothing: the device never met the app."""


def test_app_starts_and_takes_input(server: Server, open_app: OpenApp) -> None:
    app = open_app(server, prepare=first_visit)
    assert app.page.evaluate("performance.getEntriesByName('driftline:ready').length") == 1
    assert app.boot_error() == ""
    expect(app.composer).to_be_editable()
    expect(app.by_test_id("sync-now")).to_be_enabled()
    assert app.watch.requests
    assert app.watch.foreign_requests() == []


def test_app_starts_in_a_browser_that_samples_its_allocations(
    server: Server, profile: OpenProfile
) -> None:
    app = profile.open(server, SAMPLED).send("Hello")
    app.wait_for_messages(("sent", "Hello"))


def test_page_loads_exactly_what_is_precached(server: Server, open_app: OpenApp) -> None:
    app = open_app(server, prepare=first_visit, service_workers="block")
    app.page.wait_for_load_state("networkidle")
    files = loaded(app)
    for_python = tomllib.loads(served(server, "pyscript.toml"))["files"]
    assert {urljoin(app.url, path) for path in for_python} <= files
    assert files - precached(server) == set()
    assert precached(server) - files <= shown_by_the_system(server)


def test_worker_fetches_only_what_it_keeps_or_runs(server: Server, open_app: OpenApp) -> None:
    app = open_app(server, prepare=first_visit).wait_installed()
    beside = loaded(app) - precached(server)
    assert {url.rpartition("/")[2] for url in beside if "/workbox/" not in url} == {
        "sw.js",
        "precache-manifest.js",
    }


KEEP_PYTHON = """
addEventListener("DOMContentLoaded", async () => {
  const { hooks } = await import(document.querySelector('script[src$="/pyscript/core.js"]').src);
  hooks.main.onReady.add(({ interpreter }) => (window.python = interpreter));
});"""
SHORT_WAYS = """
import dataclasses, gc, sys
importers = {type(sys.path_importer_cache[path]).__name__ for path in sys.path if "zip" in path}
" ".join([*importers, type(dataclasses.exec).__name__, str(gc.isenabled())])
"""
ASKED = """name => performance.getEntriesByType("resource")
  .filter(asked => asked.name.endsWith(name)).length"""
NO_WORKERS = """
window.Worker = class extends Worker {
  constructor(url, ...rest) {
    if (String(url).endsWith("/compiler.js")) throw new Error("There are no workers here.");
    super(url, ...rest);
  }
};"""
FIRST_ASKED = """() => new Promise(resolve => new PerformanceObserver(
  list => resolve(list.getEntries()[0].name)).observe({ type: "resource", buffered: true }))"""


COUNT_MODULES = """
window.compiled = [];
WebAssembly.Module = new Proxy(WebAssembly.Module, {
  construct(Module, [bytes]) {
    window.compiled.push([bytes.length, String(bytes.slice(0, 100))]);
    return new Module(bytes);
  },
});"""


def test_page_itself_compiles_small_modules_only_and_each_kind_once(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, spoil=script(COUNT_MODULES))
    compiled = [(size, head) for size, head in app.page.evaluate("compiled")]
    assert len(compiled) == len(set(compiled)) > 10
    assert max(compiled)[0] < 1_000


def test_interpreter_is_asked_for_once_beside_the_page(server: Server, open_app: OpenApp) -> None:
    page = open_app(server).page
    (compiler,) = page.workers
    assert compiler.evaluate(ASKED, "/pyodide.asm.wasm") == 1
    assert page.evaluate(ASKED, "/pyodide.asm.wasm") == 0


def test_interpreter_is_asked_for_before_pyscript_is_there(
    server: Server, open_app: OpenApp
) -> None:
    spoil = answer(r"/pyscript/core\.js$")
    app = open_app(server, ready=False, spoil=spoil, service_workers="block")
    app.watch.allow.append("")  # whatever the failure brings with it
    app.wait_failed()
    (compiler,) = app.page.workers
    assert compiler.evaluate(FIRST_ASKED).endswith("/pyodide.asm.wasm")


def test_start_goes_on_where_nothing_can_be_compiled_beside_the_page(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, spoil=script(NO_WORKERS))
    assert app.page.evaluate(ASKED, "/pyodide.asm.wasm") == 1


def test_start_goes_on_where_the_compiler_does_not_arrive(
    server: Server, open_app: OpenApp
) -> None:
    def spoil(page: Page) -> None:
        page.route(re.compile(r"compiler\.js$"), lambda route: route.abort())

    app = open_app(server, ready=False, spoil=spoil, service_workers="block")
    app.watch.allow.append("compiler.js")
    app.wait_ready()


def test_start_goes_on_where_the_first_request_for_the_interpreter_fails(
    server: Server, open_app: OpenApp
) -> None:
    asked: list[Route] = []

    def spoil(page: Page) -> None:
        def fail_once(route: Route) -> None:
            asked.append(route)
            if len(asked) == 1:
                route.abort()
            else:
                route.continue_()

        page.route(re.compile(r"pyodide\.asm\.wasm$"), fail_once)

    app = open_app(server, ready=False, spoil=spoil, service_workers="block")
    app.watch.allow.append("pyodide.asm.wasm")
    app.wait_ready()
    assert len(asked) == 2


def test_python_starts_by_the_short_ways_and_looks_for_garbage_afterwards(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, spoil=script(KEEP_PYTHON))
    assert (
        app.page.evaluate("code => python.runPython(code)", SHORT_WAYS) == "QuickImporter _Run True"
    )


PYSCRIPT = """
import sys
before = type(sys.modules["pyscript"]).__name__
import pyscript.web
from pyscript import document
" ".join([before, type(pyscript).__name__, pyscript.web.page.title, document.title])
"""


def test_library_of_pyscript_is_there_for_whoever_uses_it_and_costs_nobody_else(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, spoil=script(KEEP_PYTHON))
    title = app.page.title()
    said = app.page.evaluate("code => python.runPython(code)", PYSCRIPT)
    assert said == f"_LazyModule module {title} {title}"


def panel_text(app: App) -> str:
    """Return all of the panel's text, folded-up details too."""
    return app.by_test_id("boot-error").text_content() or ""


def script(source: str) -> Spoil:
    """Return what makes a page run a script before its own."""
    return lambda page: page.add_init_script(source)


def answer(pattern: str, **how: Any) -> Spoil:
    """Return what makes requests for an address fail: `status=404`, or nothing for no answer."""
    spoil = (lambda route: route.fulfill(**how)) if how else (lambda route: route.abort())
    return lambda page: page.route(re.compile(pattern), spoil)


def forbid_webassembly(page: Page) -> None:
    """Give the page a policy that forbids compiling WebAssembly, as a strict host does."""

    def stricter(route: Route) -> None:
        response = route.fetch()
        policy = response.headers["content-security-policy"]
        strict = policy.replace("'unsafe-eval'", "").replace("'wasm-unsafe-eval'", "")
        headers = {**response.headers, "content-security-policy": strict}
        route.fulfill(response=response, headers=headers)

    page.route(re.compile(r"^http://[^/]+/$"), stricter)


NO_WEBASSEMBLY = "delete globalThis.WebAssembly"
NO_COMPILER = """
const refuse = () => Promise.reject(new WebAssembly.CompileError("blocked"));
Object.assign(WebAssembly, {compile: refuse, compileStreaming: refuse,
                            instantiate: refuse, instantiateStreaming: refuse});"""
NEWER_VERSION = """
indexedDB.open = () => {
  const request = {error: new DOMException("The version is less.", "VersionError")};
  setTimeout(() => request.onerror());
  return request;
}"""
APP_RAISES = """
addEventListener("DOMContentLoaded",
  () => document.querySelector('[data-testid="composer"]').replaceChildren());"""


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (script(NO_WEBASSEMBLY), "Driftline cannot run here"),
        (script(NO_COMPILER), "Driftline cannot run here"),
        (forbid_webassembly, "Driftline cannot run here"),
        (answer(r"_pydantic_core\.wasm$"), KEPT),
        (answer(r"_pydantic_core\.wasm$", status=404), KEPT),
        (answer(r"pyodide\.asm\.wasm$", status=404), KEPT),
        (answer(r"python_stdlib\.zip$"), KEPT),
        (answer(r"/pyodide/boot\.mjs$", status=404), KEPT),
        (answer(r"/pyscript/core\.js$", status=404), KEPT),
        (answer(r"/app-\w+\.zip$", status=404), KEPT),
        (answer(r"/app-\w+\.zip$", body="PK, but not really"), KEPT),
        (script(APP_RAISES), KEPT),
        (script(NEWER_VERSION), KEPT),
    ],
    ids=[
        "no WebAssembly",
        "WebAssembly does not compile",
        "WebAssembly forbidden by the host",
        "package unreachable",
        "package missing",
        "interpreter missing",
        "library unreachable",
        "interpreter's start missing",
        "PyScript missing",
        "app missing",
        "app broken",
        "app raises",
        "storage of a newer version",
    ],
)
def test_boot_that_fails_says_so_in_words(
    server: Server, open_app: OpenApp, spoil: Spoil, words: str
) -> None:
    app = open_app(server, ready=False, spoil=spoil, service_workers="block")
    app.watch.allow.append("")  # whatever the failure brings with it
    said = app.wait_failed()
    assert words in said
    for technical in ("Error", "undefined", "[object"):
        assert technical not in said
    for everything in (app.page.locator("body").inner_text(), panel_text(app)):
        assert "Traceback" not in everything
        assert 'File "' not in everything
    expect(app.page.get_by_role("button", name="Reload")).to_be_visible()


def test_slow_boot_says_so_and_takes_it_back(server: Server, open_app: OpenApp) -> None:
    held: list[Route] = []

    def hold(page: Page) -> None:
        page.route(re.compile("python_stdlib"), lambda route: held.append(route))

    app = open_app(server, ready=False, spoil=hold)
    app.page.locator('html[data-boot="slow"]').wait_for(state="attached", timeout=15_000)
    assert "Starting takes longer than usual" in app.boot_error()
    for route in held:
        route.continue_()
    app.wait_ready()

"""Fixtures for end-to-end tests.

    def test_something(server, open_app):
        app = open_app(server)          # a new device; ready for input
        app.send("Hello").wait_for_statuses("sent")
        assert server.messages() == ["Hello"]

`open_app` takes a server or an address, and any option of a browser context; each call is a
device of its own, `app.another_tab()` is a second tab on the same one. The device has nothing but
its browser's cache of the app (tests/browser/devices.py), unless `prepare` is called with its
context before anything is loaded: then it meets the app for the first time. `spoil` is called with
the page alone, `ready=False` returns before Python is up. `profile` keeps a device on disk while
its browser is killed and started again: `profile.open(server)`.

When a test ends, it fails if any page or worker asked for anything outside its own origin, raised
an exception, or wrote an error to the console; lines about the network are expected once the test
has gone offline or ended the server, others by `app.watch.allow.append(pattern)`. A screenshot of
each page of a failed test is kept in `test-results/`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.browser.bench import PERMISSIONS, Bench, RecordingServer
from tests.browser.chrome import Profile, launch_options
from tests.browser.devices import Devices
from tests.browser.faulty import FaultyServer
from tests.browser.page import App
from tests.browser.servers import ROOT, Server, free_port
from tests.browser.watch import Watch, origin_of

RESULTS = ROOT / "test-results"
_REPORT = pytest.StashKey[pytest.TestReport]()


class OpenApp(Protocol):
    """Opens the app of a server, or at an address, on a new device."""

    def __call__(
        self,
        target: Server | str,
        *,
        ready: bool = True,
        prepare: Prepare | None = None,
        spoil: Spoil | None = None,
        **context_options: Any,
    ) -> App: ...


class OpenProfile(Profile):
    """A device on disk; `open` starts its browser and the app in it."""

    def __init__(self, playwright: Playwright, folder: Path, adopt: Adopt) -> None:
        super().__init__(playwright, folder)
        self._adopt = adopt

    def open(
        self, target: Server | str, *flags: str, ready: bool = True, **context_options: Any
    ) -> App:
        """Start the browser and open the app; return once it is ready, unless told otherwise."""
        app = self._adopt(self.launch(*flags, **context_options), target).goto()
        return app.wait_ready() if ready else app


Adopt = Callable[[BrowserContext, Server | str], App]
Prepare = Callable[[BrowserContext], object]
Spoil = Callable[[Page], object]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember how the test itself ended, for the screenshots at its teardown."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]  # pluggy sends it a Result
    if report.when == "call":
        item.stash[_REPORT] = report


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Run Playwright for this folder only: while it runs, no asyncio test can."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Start one Chromium for all tests; each test gets contexts of its own."""
    browser = playwright.chromium.launch(**launch_options())
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def devices(chromium: Browser) -> Devices:
    """Lend devices to tests, one after the other."""
    return Devices(chromium)


@pytest.fixture(scope="package")
def port() -> int:
    """Return where the servers of all tests are, one after the other."""
    return free_port()


@pytest.fixture
def server(tmp_path: Path, port: int) -> Iterator[Server]:
    """Start a server with an empty database, for one test."""
    running = Server(tmp_path, port=port)
    running.start()
    yield running
    running.close()


@pytest.fixture
def faulty(tmp_path: Path, port: int) -> Iterator[FaultyServer]:
    """Start a server that spoils requests when told, for one test."""
    running = FaultyServer(tmp_path, port)
    running.start()
    yield running
    running.close()


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[RecordingServer]:
    """Start a server that keeps what is pushed to it, for one test."""
    running = RecordingServer(tmp_path)
    running.start()
    yield running
    running.close()


@pytest.fixture(scope="module")
def installed(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Keep a device on which the app is installed and closed: Python never ran there."""
    folder = tmp_path_factory.mktemp("device")
    server = RecordingServer(folder, steps=True)
    server.start()
    browser = Profile(playwright, folder / "profile")
    context = browser.launch(permissions=PERMISSIONS)
    yield Bench.without_python(context, server, Watch(context, server.url, lambda: False))
    browser.close()
    server.close()


@pytest.fixture
def adopt(request: pytest.FixtureRequest, devices: Devices) -> Iterator[Adopt]:
    """Watch whatever contexts a test uses, and fail it for what went on behind its pages."""
    watched: list[tuple[BrowserContext, Watch]] = []

    def take(context: BrowserContext, target: Server | str) -> App:
        url = target if isinstance(target, str) else f"{target.url}/"
        watch = Watch(context, origin_of(url), lambda: getattr(target, "was_down", False))
        watched.append((context, watch))
        page = context.pages[0] if context.pages else context.new_page()
        return App(page, url, watch)

    yield take
    report = request.node.stash.get(_REPORT, None)
    passed = report is not None and not report.failed
    if not passed:
        _keep_screenshots(request.node.nodeid, [context for context, _ in watched])
    for context, watch in watched:
        devices.end(context, watch.origin, sound=passed)
        watch.end()
    problems = [line for _, watch in watched for line in watch.problems()]
    assert not problems, "\n".join(problems)


@pytest.fixture
def open_app(chromium: Browser, devices: Devices, adopt: Adopt) -> OpenApp:
    """Open the app on a new device; return once it is ready, unless told otherwise."""

    def launch(
        target: Server | str,
        *,
        ready: bool = True,
        prepare: Prepare | None = None,
        spoil: Spoil | None = None,
        **context_options: Any,
    ) -> App:
        usual = isinstance(target, Server) and not prepare
        context = (devices.take if usual else chromium.new_context)(**context_options)
        app = adopt(context, target)
        if prepare:
            prepare(context)
        if spoil:
            spoil(app.page)
        app.goto()
        return app.wait_ready() if ready else app

    return launch


@pytest.fixture
def profile(playwright: Playwright, tmp_path: Path, adopt: Adopt) -> OpenProfile:
    """Keep a device on disk, so that its browser can be closed or killed and started again."""
    return OpenProfile(playwright, tmp_path / "profile", adopt)


@pytest.fixture
def bench(installed: Bench) -> Iterator[Bench]:
    """Begin with nothing stored on the device of a module's tests, and no fault of the server."""
    installed.begin()
    yield installed
    problems = installed.watch.problems()
    assert not problems, "\n".join(problems)


def _keep_screenshots(test: str, contexts: list[BrowserContext]) -> None:
    name = re.sub(r"[^\w.-]+", "-", test.removeprefix("tests/browser/"))
    pages = [page for context in contexts for page in context.pages if not page.is_closed()]
    for number, page in enumerate(pages):
        page.screenshot(path=RESULTS / f"{name}-{number}.png")

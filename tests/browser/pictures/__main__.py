"""Take the pictures: `python -m tests.browser.pictures [--out DIR] [STATE…]`.

Each state is set up once, on a device and a server of its own; its routes are pictured one after
the other, resized and in both themes.
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from runtime.build import build
from tests.browser.chrome import launch_options
from tests.browser.page import App
from tests.browser.pictures.catalogue import SIZES, STATES, Picture, of
from tests.browser.pictures.poses import pose
from tests.browser.pictures.scenes import SCENES, Stage
from tests.browser.servers import ROOT, Server
from tests.browser.watch import Watch

FOLDER = ROOT / "docs/screenshots"
QUALITY = 70
_INTO_VIEW = "form => form.scrollIntoView({block: 'nearest'})"
DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the pictures of the states that the command line names, or of all."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__)
    parser.add_argument("states", nargs="*", metavar="STATE", help=f"of {', '.join(STATES)}")
    parser.add_argument("--out", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    build()
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        for state in options.states or STATES:
            sys.stderr.write(f"{state}\n")
            take_state(browser, state, options.out)
        browser.close()


def take_state(browser: Browser, state: str, folder: Path) -> None:
    """Bring a device into a state and picture each of its routes."""
    with tempfile.TemporaryDirectory(prefix="driftline-") as place:
        server = Server(Path(place))
        server.start()
        contexts: list[BrowserContext] = []

        def device(prepare: Callable[[BrowserContext], object] | None = None) -> App:
            context = browser.new_context(reduced_motion="reduce")
            contexts.append(context)
            if prepare:
                prepare(context)
            url = f"{server.url}/"
            return App(context.new_page(), url, Watch(context, server.url, lambda: True))

        try:
            app = SCENES[state](Stage(server, device))
            for route in STATES[state]:
                pose(app, state, route)
                for picture in of(state, route):
                    take(app, picture, folder)
        finally:
            for context in contexts:
                context.unroute_all(behavior="ignoreErrors")
                context.close()
            server.close()


def take(app: App, picture: Picture, folder: Path) -> None:
    """Take one picture."""
    page = app.page
    page.emulate_media(color_scheme=picture.scheme, reduced_motion="reduce")
    page.mouse.move(0, 0)
    session = page.context.new_cdp_session(page)
    window = {"width": picture.width, "height": SIZES[picture.width], "deviceScaleFactor": 1}
    session.send("Emulation.setDeviceMetricsOverride", {**window, "mobile": picture.is_phone})
    page.evaluate(DRAWN)
    if picture.route == "merge":
        page.locator('[data-part="merge-form"]').evaluate(_INTO_VIEW)
    shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    session.detach()
    (folder / picture.name).write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    main()

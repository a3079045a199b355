"""A page of its own for some Python, in Chromium, on the shipped interpreter, with no server."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, Route

from tests.browser.servers import ROOT

ORIGIN = "http://localhost:1"
PAGE = """<!doctype html><meta charset="utf-8"><title>Python</title>
<script type="module" src="./assets/idb.js"></script>
<script type="module" src="./runtime/dist/pyscript/core.js"></script>
<p id="result"></p>
<script type="py" config="./python.toml">
{source}
import json
from js import document
document.getElementById("result").textContent = json.dumps(result)
</script>"""


@contextmanager
def python_page(chromium: Browser, source: str, files: Sequence[str] = ()) -> Iterator[Page]:
    """Open a page that runs `source`, which may import the app and, of the project, `files`.

    What it leaves in its variable `result` is read by `result_of`.
    """
    config = (ROOT / "pyscript.toml").read_text()
    config += "".join(f'"./{name}" = "./{name}"\n' for name in files)
    made = {"python.html": PAGE.format(source=source), "python.toml": config}

    def serve(route: Route) -> None:
        path = route.request.url.removeprefix(f"{ORIGIN}/").partition("?")[0]
        if path in made:
            route.fulfill(body=made[path], content_type="text/html; charset=utf-8")
        elif (ROOT / path).is_file():
            kind = {"mjs": "text/javascript"}.get(path.rpartition(".")[2])
            content_type = kind or mimetypes.guess_type(path)[0] or "application/octet-stream"
            route.fulfill(body=(ROOT / path).read_bytes(), content_type=content_type)
        else:
            route.fulfill(status=404)

    context = chromium.new_context()
    page = context.new_page()
    page.route(f"{ORIGIN}/**", serve)
    page.goto(f"{ORIGIN}/python.html")
    yield page
    context.close()


def result_of(page: Page) -> Any:
    """Wait until the page's Python is through, and return its `result`."""
    page.wait_for_function("document.getElementById('result').textContent")
    return json.loads(page.locator("#result").text_content() or "")

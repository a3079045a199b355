"""Serving the site: types, compression, ETags, and the headers of the page."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from server.app import create_app
from server.settings import Settings
from server.static import accepts_gzip, matches
from tests.server.fake_site import FILES, make_tree


@dataclass
class Browser:
    """A client of a served site, and the runtime's prefix there."""

    http: httpx.AsyncClient
    prefix: str

    async def get(self, url: str, **headers: str) -> httpx.Response:
        given = {"accept-encoding": "identity", **headers}
        return await self.http.get(url, headers=given)


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    root = make_tree(tmp_path / "root")
    database = f"sqlite:///{tmp_path / 'server.db'}"
    app = create_app(Settings(database=database, site_root=root, api_url="https://api.test/v1"))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as http,
    ):
        page = (await http.get("/")).text
        yield Browser(http, "/" + page[page.index("runtime/") :][:21])


@pytest.mark.parametrize(
    ("url", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/sw.js", "text/javascript; charset=utf-8"),
        ("/precache-manifest.js", "text/javascript; charset=utf-8"),
        ("/manifest.json", "application/manifest+json"),
        ("/pyscript.toml", "application/toml"),
        ("/assets/driftline.css", "text/css; charset=utf-8"),
        ("/assets/icon.png", "image/png"),
        ("PREFIX/pyodide/boot.mjs", "text/javascript; charset=utf-8"),
        ("PREFIX/pyodide/pyodide.asm.wasm", "application/wasm"),
        ("PREFIX/icons.svg", "image/svg+xml"),
    ],
)
async def test_files_have_their_types(browser: Browser, url: str, content_type: str) -> None:
    answer = await browser.get(url.replace("PREFIX/", browser.prefix))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == content_type
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_runtime_is_cached_for_good_and_the_rest_is_asked_for_anew(browser: Browser) -> None:
    runtime = await browser.get(f"{browser.prefix}icons.svg")
    assert runtime.headers["cache-control"] == "public, max-age=31536000, immutable"
    for url in ("/", "/sw.js", "/precache-manifest.js", "/pyscript.toml", "/assets/boot.js"):
        assert (await browser.get(url)).headers["cache-control"] == "no-cache"


async def test_known_etag_is_answered_without_a_body(browser: Browser) -> None:
    first = await browser.get("/sw.js")
    again = await browser.get("/sw.js", **{"if-none-match": f'"other", W/{first.headers["etag"]}'})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["cache-control"] == "no-cache"


async def test_what_compresses_is_compressed_under_an_etag_of_its_own(browser: Browser) -> None:
    url = f"{browser.prefix}pyscript/core.js"
    plain = await browser.get(url)
    small = await browser.get(url, **{"accept-encoding": "gzip, br"})
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < len(plain.content) / 10
    assert small.content == plain.content == str(FILES["runtime/dist/pyscript/core.js"]).encode()
    assert small.headers["etag"] != plain.headers["etag"]
    assert small.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("url", ["/assets/icon.png", "/assets/boot.js"])
async def test_what_does_not_gain_is_sent_plain(browser: Browser, url: str) -> None:
    answer = await browser.get(url, **{"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers


async def test_large_compressed_files_are_kept_and_those_of_no_file_removed(
    browser: Browser, tmp_path: Path
) -> None:
    url = f"{browser.prefix}pyodide/pyodide.asm.wasm"
    await browser.get(url, **{"accept-encoding": "gzip"})
    folder = tmp_path / "root" / "runtime" / ".cache" / "gzip"
    (kept,) = folder.iterdir()
    assert gzip.decompress(kept.read_bytes()) == FILES["runtime/dist/pyodide/pyodide.asm.wasm"]
    (folder / "stale.gz").write_bytes(b"")
    settings = Settings(database=f"sqlite:///{tmp_path / 'b.db'}", site_root=tmp_path / "root")
    create_app(settings).state.services.close()
    assert list(folder.iterdir()) == [kept]


async def test_head_has_the_headers_and_no_body(browser: Browser) -> None:
    full = await browser.get("/")
    head = await browser.http.head("/", headers={"accept-encoding": "identity"})
    assert head.content == b""
    assert dict(head.headers) == dict(full.headers)


async def test_other_methods_are_405_and_other_paths_404(browser: Browser) -> None:
    refused = await browser.http.post("/index.html")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    for path in ("/runtime/dist/icons.svg", "/server/app.py", "/..%2fserve.py", "/app.digest"):
        missing = await browser.get(path)
        assert missing.status_code == 404
        assert missing.json()["error"]["code"] == "not_found"


async def test_page_may_load_from_its_origin_and_talk_to_its_api_only(browser: Browser) -> None:
    headers = (await browser.get("/")).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert policy["connect-src"] == "'self' https://api.test"
    assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("identity", False),
        ("", False),
    ],
)
def test_accept_encoding_is_understood(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


@pytest.mark.parametrize(
    ("header", "known"),
    [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("", False)],
)
def test_if_none_match_is_understood(header: str, known: bool) -> None:
    assert matches(header, '"a"') is known

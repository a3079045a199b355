"""The static site: what is really there, as it is served, by URL path relative to the page.

Everything below `runtime/dist` is served under a path that holds the hash of its content, so that
it can be cached for good; all else is asked for anew each time and answered by its ETag.
"""

from __future__ import annotations

import logging
import mimetypes
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from app.errors import DriftlineError
from runtime.app_bundle import BUNDLE, is_fresh
from runtime.paths import NOT_LOADED, all_files
from server.page import with_config, with_icons, with_preload, with_setting

logger = logging.getLogger(__name__)

DIST_PREFIX = "runtime/dist/"
SHELL = ("index.html", "pyscript.toml", "manifest.json", "sw.js")
ON_REQUEST = ("sw.js", "pyscript.toml", "favicon.ico")
"""What the page does not load by itself: the worker's script, the configuration, which the build
writes into the page, and the icon of whatever names none, such as a list of licences."""
NOT_BY_THE_PAGE = ("workbox/", "pyscript/toml-", "icons.svg")
"""What others load of the runtime: the worker its imports, a page that was not built the rest."""
_MOVED = {"assets/favicon.ico": "favicon.ico"}
_REWRITTEN = (".html", ".toml", ".json", ".js", ".css")
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".zip": "application/zip",
    ".whl": "application/zip",
    ".toml": "application/toml",
    ".py": "text/x-python",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".ico": "image/vnd.microsoft.icon",
    "manifest.json": "application/manifest+json",
}
_FILES_TABLE = re.compile(r"^\[files\]\n.*?(?=^\[|\Z)", re.MULTILINE | re.DOTALL)


class SiteError(DriftlineError):
    """The site cannot be put together from the files that are there."""


@dataclass(frozen=True)
class SiteFile:
    """One file of the site.

    `versioned` says that its URL holds the hash of its content; `precached`, that the page loads
    it, so that the service worker keeps it.
    """

    body: bytes
    content_type: str
    versioned: bool = False
    precached: bool = True

    @cached_property
    def sha256(self) -> bytes:
        """The digest of the body."""
        return sha256(self.body).digest()

    @property
    def cache_control(self) -> str:
        """The Cache-Control header to serve the file with."""
        return "public, max-age=31536000, immutable" if self.versioned else "no-cache"


Site = dict[str, SiteFile]


def collect_site(root: Path, api_url: str = "./api", transport: str = "batch") -> Site:
    """Return the site of the app in `root`, but for the list of what to precache.

    `api_url` is what the page is told to talk to, `transport` in which way. Raises `SiteError`
    where something is missing.
    """
    dist = root / "runtime" / "dist"
    names = [name for name in all_files(dist) if name != "app.digest"]
    if not names:
        raise SiteError("The browser runtime is not built yet. Run `make runtime` first.")
    bundled = is_fresh(root / "app", dist)
    runtime = {name: (dist / name).read_bytes() for name in names if name != BUNDLE}
    prefix = f"runtime/{_content_hash(runtime)}/"
    site = {prefix + name: _runtime_file(name, body) for name, body in runtime.items()}
    texts = {_MOVED.get(name, name): _rewritten(root, name, prefix) for name in _own_files(root)}
    if bundled:
        body = (dist / BUNDLE).read_bytes()
        url = f"{prefix}app-{_content_hash({BUNDLE: body})}.zip"
        site[url] = SiteFile(body, content_type(url), versioned=True)
        texts["pyscript.toml"] = _with_bundle(texts["pyscript.toml"], url)
        texts["index.html"] = with_preload(texts["index.html"].decode(), url).encode()
    else:
        texts |= {name: (root / name).read_bytes() for name in _sources(root)}
    page = with_setting(texts["index.html"].decode(), "api", api_url)
    page = with_setting(page, "transport", transport)
    page = with_config(page, texts["pyscript.toml"].decode())
    texts["index.html"] = with_icons(page, runtime["icons.svg"].decode()).encode()
    for name, body in texts.items():
        site[name] = SiteFile(body, content_type(name), precached=name not in ON_REQUEST)
    mode = "bundle" if bundled else "source (the bundle is not of these sources)"
    logger.info("site mode=%s files=%d", mode, len(site))
    return site


def content_type(name: str) -> str:
    """Return the media type of a file by its name."""
    path = Path(name)
    known = _TYPES.get(name) or _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0]
    known = known or "application/octet-stream"
    return f"{known}; charset=utf-8" if known.startswith("text/") else known


def _own_files(root: Path) -> Iterator[str]:
    for name in SHELL:
        if not (root / name).is_file():
            raise SiteError(f"The file {name} is missing from {root}.")
        yield name
    for path in sorted((root / "assets").rglob("*")):
        if path.is_file() and path.suffix != ".py" and not path.name.startswith("."):
            yield path.relative_to(root).as_posix()


def _sources(root: Path) -> Iterator[str]:
    for path in sorted((root / "app").rglob("*.py")):
        yield path.relative_to(root).as_posix()


def _content_hash(files: Mapping[str, bytes]) -> str:
    """Return twelve hexadecimal digits that stand for these files."""
    digest = sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode())
        digest.update(files[name])
    return digest.hexdigest()[:12]


def _runtime_file(name: str, body: bytes) -> SiteFile:
    precached = name not in NOT_LOADED and not name.startswith(NOT_BY_THE_PAGE)
    return SiteFile(body, content_type(name), versioned=True, precached=precached)


def _rewritten(root: Path, name: str, prefix: str) -> bytes:
    body = (root / name).read_bytes()
    if name.endswith(_REWRITTEN):
        body = body.replace(DIST_PREFIX.encode(), prefix.encode())
    return body


def _with_bundle(config: bytes, url: str) -> bytes:
    table = f'[files]\n"./{url}" = "./{BUNDLE}"\n'
    text, count = _FILES_TABLE.subn(lambda _match: table, config.decode())
    if count != 1:
        raise SiteError("pyscript.toml needs one [files] table.")
    return text.encode()

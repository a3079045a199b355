"""The page and its manifest: what can be checked of them without a browser."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILT = "./runtime/dist/"  # made by `make setup`, so it may not be there
ATTRIBUTES_WITH_URLS = ("src", "href", "config", "action", "poster", "srcset")


class Page(HTMLParser):
    """Every element of a page, as its name and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def having(self, name: str, value: str) -> list[dict[str, str]]:
        """Return the attributes of the elements whose attribute `name` is `value`."""
        return [attributes for _, attributes in self.elements if attributes.get(name) == value]

    def urls(self) -> Iterator[str]:
        for _, attributes in self.elements:
            yield from (attributes[name] for name in ATTRIBUTES_WITH_URLS if name in attributes)


@pytest.fixture(scope="module")
def source() -> str:
    return (ROOT / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "manifest.json").read_text(encoding="utf-8"))
    return loaded


def png_size(path: Path) -> tuple[int, int]:
    """Return width and height from the header of a PNG file."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n", f"{path.name} is not a PNG file"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def test_manifest_lets_the_app_be_installed_under_any_path(manifest: dict[str, Any]) -> None:
    for name in ("id", "name", "short_name", "description", "theme_color", "background_color"):
        assert manifest[name], name
    assert manifest["start_url"] == "."
    assert manifest["scope"] == "."
    assert manifest["display"] == "standalone"


def test_manifest_icons_are_as_large_as_they_say(manifest: dict[str, Any]) -> None:
    drawn = set()
    for icon in manifest["icons"]:
        path = ROOT / icon["src"]
        assert path.is_file(), icon["src"]
        if icon["type"] == "image/png":
            assert "x".join(map(str, png_size(path))) == icon["sizes"], icon["src"]
            drawn.add((icon["sizes"], icon["purpose"]))
    wanted = {(s, p) for s in ("192x192", "512x512") for p in ("any", "maskable")}
    assert wanted <= drawn


def test_every_url_of_the_page_is_relative(page: Page) -> None:
    urls = list(page.urls())
    assert urls
    for url in urls:
        parts = urlsplit(url)
        assert not parts.scheme, url
        assert not parts.netloc, url
        assert url.startswith(("./", "#/")), url


def test_every_file_the_page_names_exists(page: Page) -> None:
    made_elsewhere = ("./pyscript.toml", BUILT)
    own = [url for url in page.urls() if url[0] == "." and not url.startswith(made_elsewhere)]
    assert own
    for url in own:
        assert (ROOT / url).is_file(), url


SHEETS = sorted(path.name for path in (ROOT / "assets").glob("*.css"))


@pytest.mark.parametrize("name", ["index.html", "manifest.json", *(f"assets/{s}" for s in SHEETS)])
def test_nothing_names_a_foreign_origin(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"(?i)(?:https?:|wss?:)?//[a-z0-9-]+\.[a-z]", text)


def test_style_sheets_and_boot_shim_load_nothing_by_themselves() -> None:
    for name in SHEETS:
        css = (ROOT / "assets" / name).read_text(encoding="utf-8")
        assert "@import" not in css, name
        assert "url(" not in css, name
    for name in ("boot.js", "early.js", "compiler.js"):
        assert "://" not in (ROOT / "assets" / name).read_text(encoding="utf-8"), name


def test_no_code_or_style_is_inline(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag != "style"
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        if tag == "script":
            assert "src" in attributes or attributes.get("type") == "py"


@pytest.mark.parametrize(
    "testid",
    [
        "connection",
        "offline-banner",
        "pending-badge",
        "conflict-badge",
        "failed-badge",
        "status-open",
        "status-popover",
        "attention",
        "attention-badge",
        "outbox-entry",
        "discard-dialog",
        "edit-dialog",
        "sync-now",
        "message",
        "composer",
        "update",
        "notice",
        "boot-error",
    ],
)
def test_page_contract_names_one_element_each(page: Page, testid: str) -> None:
    assert len(page.having("data-testid", testid)) == 1


def test_what_changes_is_announced(page: Page) -> None:
    roles = dict.fromkeys(("connection", "attention", "notice", "update"), "status")
    roles["boot-error"] = "alert"
    for testid, role in roles.items():
        assert page.having("data-testid", testid)[0]["role"] == role
    assert page.having("data-part", "log")[0]["role"] == "log"


@pytest.mark.parametrize(
    "testid",
    [
        "offline-banner",
        "unsaved",
        "pending-badge",
        "conflict-badge",
        "failed-badge",
        "update",
        "boot-error",
        "erased",
        "install",
    ],
)
def test_what_is_not_the_case_yet_is_hidden(page: Page, testid: str) -> None:
    assert "hidden" in page.having("data-testid", testid)[0]


def test_page_takes_no_input_before_python_does(page: Page) -> None:
    assert "disabled" in page.having("data-part", "fields")[0]
    assert "disabled" in page.having("data-testid", "sync-now")[0]
    assert "disabled" in page.having("data-part", "cards")[0]
    assert "data-ready" not in page.elements[0][1]


def test_page_says_what_it_says_in_the_contract(source: str) -> None:
    assert "You're offline. Changes will sync when connected." in source
    assert "A new version is ready." in source
    assert re.search(r"<label[^>]*>Message</label>", source)
    for word in ("Send", "Sync now", "Retry", "Discard", "Update", "Reload"):
        assert re.search(rf"<(span|button)[^>]*>{word}</", source), word


def test_pictures_are_hidden_from_screen_readers(page: Page) -> None:
    drawings = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert drawings
    assert all(attributes.get("aria-hidden") == "true" for attributes in drawings)
    assert all("alt" in attributes for tag, attributes in page.elements if tag == "img")


def test_icons_are_in_the_list_the_runtime_is_built_from(page: Page) -> None:
    built = set((ROOT / "runtime/icons.txt").read_text(encoding="utf-8").split())
    used = {attributes["href"] for tag, attributes in page.elements if tag == "use"}
    assert used
    for url in used:
        sprite, _, name = url.partition("#")
        assert sprite == f"{BUILT}icons.svg"
        assert name in built


def test_python_starts_from_the_bundle(source: str) -> None:
    code = re.search(r'<script type="py"[^>]*>(.*?)</script>', source, re.DOTALL)
    assert code is not None
    lines = [line.strip() for line in code[1].strip().splitlines()]
    assert lines == [
        'import sys; sys.path.insert(0, "app.zip")',
        "from app.start import start",
        "await start()",
    ]


def test_boot_shim_stays_small() -> None:
    assert len((ROOT / "assets/boot.js").read_text(encoding="utf-8").splitlines()) <= 150


def test_service_worker_stays_small_and_each_function_in_it_says_why_it_is_no_python() -> None:
    lines = (ROOT / "sw.js").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 300
    made = [place for place, line in enumerate(lines) if re.match(r"(async )?function \w", line)]
    assert len(made) > 10
    for place in made:
        above = place
        while lines[above - 1].startswith("//"):
            above -= 1
        assert lines[above].startswith("// No page"), lines[place]


def test_what_runs_before_the_first_paint_stays_small_and_comes_before_all_modules(
    page: Page,
) -> None:
    assert len((ROOT / "assets/early.js").read_text(encoding="utf-8").splitlines()) <= 64
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    assert scripts[0] == {"src": "./assets/early.js"}

"""The static site: what belongs to it, under which URLs, and what is precached."""

from __future__ import annotations

import json
import re
import tomllib
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from app.errors import DriftlineError
from server.precache import MANIFEST, precache_entries, with_manifest
from server.site import Site, SiteError, collect_site
from tests.server.fake_site import make_tree


def versioned_prefix(site: Site) -> str:
    """Return the one folder that all files of the runtime are in."""
    (prefix,) = {url[:21] for url in site if url.startswith("runtime/")}
    assert re.fullmatch(r"runtime/[0-9a-f]{12}/", prefix)
    return prefix


def text(site: Site, url: str) -> str:
    return site[url].body.decode()


def test_runtime_is_served_under_the_hash_of_its_content(tmp_path: Path) -> None:
    site = collect_site(make_tree(tmp_path))
    prefix = versioned_prefix(site)
    assert all(file.versioned == url.startswith(prefix) for url, file in site.items())
    for url in ("index.html", "pyscript.toml", "sw.js", "assets/driftline.css"):
        assert prefix in text(site, url)
        assert "runtime/dist/" not in text(site, url)


def test_hash_follows_the_runtime_and_not_the_app(tmp_path: Path) -> None:
    before = versioned_prefix(collect_site(make_tree(tmp_path)))
    (tmp_path / "app" / "main.py").write_text("print('changed')")
    (tmp_path / "runtime" / "dist" / "app.zip").write_bytes(b"PK2")
    assert versioned_prefix(collect_site(tmp_path)) == before
    (tmp_path / "runtime" / "dist" / "icons.svg").write_text("<svg />")
    assert versioned_prefix(collect_site(tmp_path)) != before


def test_fresh_bundle_takes_the_place_of_the_sources(tmp_path: Path) -> None:
    site = collect_site(make_tree(tmp_path))
    (bundle,) = [url for url in site if url.endswith(".zip")]
    assert re.fullmatch(r"runtime/[0-9a-f]{12}/app-[0-9a-f]{12}\.zip", bundle)
    assert text(site, "pyscript.toml").endswith(f'[files]\n"./{bundle}" = "./app.zip"\n')
    assert not [url for url in site if url.endswith(".py")]


def test_tables_after_the_files_stay(tmp_path: Path) -> None:
    config = make_tree(tmp_path) / "pyscript.toml"
    config.write_text(config.read_text() + '\n[js_modules]\n"a" = "b"\n')
    assert text(collect_site(tmp_path), "pyscript.toml").endswith('[js_modules]\n"a" = "b"\n')


def test_stale_bundle_falls_back_to_the_sources(tmp_path: Path) -> None:
    site = collect_site(make_tree(tmp_path, fresh=False))
    assert [url for url in site if url.endswith(".py")] == ["app/__init__.py", "app/main.py"]
    assert '"./app/main.py"' in text(site, "pyscript.toml")
    assert not [url for url in site if url.endswith(".zip")]


def test_page_holds_its_configuration_and_its_icons(tmp_path: Path) -> None:
    site = collect_site(make_tree(tmp_path))
    page = text(site, "index.html")
    attribute = re.search(r"config='([^']*)'", page)
    assert attribute is not None
    assert json.loads(attribute[1]) == tomllib.loads(text(site, "pyscript.toml"))
    assert '<symbol id="icon-check">' in page
    assert '<use href="#icon-check">' in page
    (bundle,) = [url for url in site if url.endswith(".zip")]
    assert f'<link rel="preload" as="fetch" crossorigin href="./{bundle}">\n  </head>' in page


@pytest.mark.parametrize("missing", ['config="./pyscript.toml"', "<body>", "</head>"])
def test_page_that_the_build_cannot_fill_in_is_refused(tmp_path: Path, missing: str) -> None:
    page = make_tree(tmp_path) / "index.html"
    page.write_text(page.read_text().replace(missing, ""))
    with pytest.raises(DriftlineError, match="index.html needs"):
        collect_site(tmp_path)


def test_page_is_told_its_api_and_nothing_can_break_out_of_the_attribute(tmp_path: Path) -> None:
    site = collect_site(make_tree(tmp_path), 'https://api.example/"><script>')
    assert 'content="https://api.example/&quot;&gt;&lt;script&gt;"' in text(site, "index.html")


def test_favicon_is_where_browsers_ask_for_it_unasked(tmp_path: Path) -> None:
    site = collect_site(make_tree(tmp_path))
    assert site["favicon.ico"].body.startswith(b"\0\0\1\0")
    assert site["favicon.ico"].content_type == "image/vnd.microsoft.icon"
    assert "assets/favicon.ico" not in site


@pytest.mark.parametrize("fresh", [True, False])
def test_precache_holds_what_the_page_loads_with_its_integrity(tmp_path: Path, fresh: bool) -> None:
    site = collect_site(make_tree(tmp_path, fresh=fresh))
    prefix = versioned_prefix(site)
    entries = {entry["url"]: entry for entry in precache_entries(site)}
    for url, entry in entries.items():
        digest = sha256(site[url].body).digest()
        assert entry["integrity"] == f"sha256-{b64encode(digest).decode()}"
        assert (entry["revision"] is None) == url.startswith(prefix)
    left_out = {url.removeprefix(prefix) for url in site.keys() - entries.keys()}
    by_others = {"sw.js", "workbox/workbox-core.js", "favicon.ico"}
    assert left_out == by_others | {"pyscript.toml", "icons.svg", "THIRD-PARTY.txt"}


def test_manifest_gives_the_entries_to_the_worker(tmp_path: Path) -> None:
    site = with_manifest(collect_site(make_tree(tmp_path)))
    script = text(site, MANIFEST)
    listed = script.removeprefix("self.__precacheManifest = ").removesuffix(";\n")
    assert json.loads(listed) == precache_entries(site)
    assert MANIFEST not in {entry["url"] for entry in precache_entries(site)}


def test_missing_runtime_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="make runtime"):
        collect_site(tmp_path)


@pytest.mark.parametrize("name", ["index.html", "sw.js", "manifest.json", "pyscript.toml"])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (make_tree(tmp_path) / name).unlink()
    with pytest.raises(SiteError, match=name):
        collect_site(tmp_path)

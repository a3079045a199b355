"""The documents are true: their code runs, their links hold, and what they name exists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import app
from app.core.actions import registry
from app.core.schema import UPGRADES
from app.protocol import Action, Problem, Result, Row, SyncRequest, SyncResponse
from app.sync.client import Client
from server.cli import main
from server.settings import Settings
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "runtime/*.md", "bench/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
)
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"')
BUILT = ("runtime/dist/", "dist/", "data/")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(name: str) -> str:
    """Return a document without its fenced blocks."""
    return FENCE.sub("", text_of(name))


def blocks(name: str, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(text_of(name)) if kind == language]


def run_blocks(name: str) -> dict[str, Any]:
    """Run the Python of a document, from its first block to its last; returns what it defines."""
    namespace: dict[str, Any] = {"__name__": "document"}
    for body in blocks(name, "python"):
        exec(compile(body, name, "exec", dont_inherit=True), namespace)
    return namespace


def slug(heading: str) -> str:
    """Return the anchor of a heading, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {slug(heading) for heading in found}


def code_spans(name: str) -> Iterator[str]:
    yield from re.findall(r"`([^`\n]+)`", prose(name))


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a document registers from other tests."""
    monkeypatch.setattr(registry, "_types", dict(registry._types))
    monkeypatch.setattr(registry, "_models", dict(registry._models))
    monkeypatch.setattr(registry, "_policies", dict(registry._policies))


@pytest.mark.usefixtures("own_registry")
async def test_example_of_the_readme_works_offline_and_arrives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = FakeClock()
    server = Loopback(tmp_path, clock)
    network = FakeNetwork(clock, server)
    device = Device(clock, network)
    network.down = True
    client: Client = await device.open()
    await clock.settle()
    await run_blocks("README.md")["start"](client)
    await clock.settle()
    assert client.status.get().pending == 3, "changes of a new item join it"
    assert "[('Water the plants', 'pending')]" in capsys.readouterr().out
    network.down = False
    await clock.until(lambda: client.status.get().count == 0)
    said = capsys.readouterr().out
    assert said.count("Ring {'number': '112'}") == 1
    assert "[('Water the plants', 'synced')]" in said.splitlines()
    pulled = json.loads(server("POST", "/api/sync", '{"protocol": 1, "client_id": "other"}').body)
    kept = [row["data"] for row in pulled["rows"] if not row["deleted"]]
    assert kept == [{"title": "Water the plants", "done": True}]
    await device.kill()
    server.close()


@pytest.mark.usefixtures("own_registry")
async def test_guide_to_a_collection_of_ones_own_runs_as_it_stands(tmp_path: Path) -> None:
    await run_blocks("docs/your-own-collection.md")["check"](tmp_path)


def test_collection_of_ones_own_is_under_forty_lines_of_python() -> None:
    model, use, *_ = blocks("docs/your-own-collection.md", "python")
    lines = [line for line in (model + use).splitlines() if line.strip()]
    assert 'conflicts="merge"' in model
    assert "client.collection(COLLECTION, Todo)" in use
    assert len(lines) < 40


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    text = re.sub(r"`[^`\n]*`", "", prose(name))
    for link in (match[1] or match[2] for match in LINK.finditer(text)):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), f"{name} links to {link}"
        assert not anchor or anchor in anchors(path), f"{name} links to {link}"


@pytest.mark.parametrize("name", NAMES)
def test_files_and_tests_that_are_named_exist(name: str) -> None:
    folders = "app|assets|bench|docs|runtime|scripts|server|tests"
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for span in code_spans(name):
        if re.fullmatch(rf"({folders})/[\w./-]*", span) and not span.startswith(BUILT):
            assert (ROOT / span).exists(), f"{name} names {span}"
        if re.fullmatch(r"test_\w+", span):
            assert f"def {span}(" in tests, f"{name} names {span}"


def test_readme_and_makefile_name_the_same_verbs() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", text_of("Makefile"), re.MULTILINE)
    assert phony
    documented = {
        verb
        for name in NAMES
        for verb in re.findall(r"(?:`|^ {4})make ([a-z]+)", prose(name), re.M)
    }
    assert documented == set(phony[1].split())


def test_every_option_and_setting_of_serve_py_is_documented(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments in (["--help"], ["build", "--help"], ["compact", "--help"]):
        with pytest.raises(SystemExit):
            main(ROOT, arguments)
    options = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    settings = {f"DRIFTLINE_{it.name.upper()}" for it in fields(Settings)} - {"DRIFTLINE_SITE_ROOT"}
    table = text_of("docs/operations.md")
    assert options >= {"--port", "--api-url"}
    assert {f"`{name}`" for name in options | settings} <= set(re.findall(r"`[^`\n]+`", table))
    assert set(re.findall(r"`(--[a-z-]+)`", table)) == options
    assert set(re.findall(r"`(DRIFTLINE_[A-Z_]+)`", table)) == settings


def test_newest_version_of_the_changelog_is_the_codes() -> None:
    versions = re.findall(r"^## \[([^\]]+)\] - \d{4}-\d\d-\d\d$", text_of("CHANGELOG.md"), re.M)
    assert versions[0] == app.__version__


def test_page_contract_is_the_page() -> None:
    """Both ways: what the page has is documented, and what is documented is in the page."""
    contract = text_of("docs/design.md").split("## Page contract")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+`) \|", contract, re.MULTILINE)
    documented = {name for cell in cells for name in re.findall(r"`([a-z-]+)`", cell)}
    documented -= {"data-testid"}
    assert documented == set(re.findall(r'data-testid="([^"]+)"', text_of("index.html")))


def test_json_of_the_http_contract_has_every_field_and_no_other() -> None:
    request, response = (json.loads(body) for body in blocks("docs/design.md", "json"))
    for model, example in ((SyncRequest, request), (SyncResponse, response)):
        model.model_validate(example)
        assert list(example) == list(model.model_fields)
    (action,), (result,) = request["actions"], response["results"]
    assert list(action) == list(Action.model_fields)
    assert list(result) == list(Result.model_fields)
    assert list(result["row"]) == list(Row.model_fields)
    in_error = re.search(r'`\{"error": (\{.+?\})\}`', text_of("docs/design.md"))
    assert in_error
    assert re.findall(r'"(\w+)":', in_error[1]) == list(Problem.model_fields)


def test_storage_contract_names_every_store_key_and_index() -> None:
    contract = text_of("docs/design.md").split("## Storage contract")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in contract.splitlines() if line.startswith("| `")]
    documented = {row[0].strip("| `"): (row[1], row[2]) for row in rows}
    stores = {store.name: store for step in UPGRADES for store in step.stores}
    assert documented.keys() == stores.keys()
    for name, (key, indexes) in documented.items():
        path = stores[name].key_path
        assert re.findall(r"`(\w+)`", key) == ([path] if isinstance(path, str) else list(path))
        for index in stores[name].indexes:
            assert f"`{index.name}`" in indexes

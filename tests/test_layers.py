"""The layers of docs/design.md, read off the imports of every module, and the sizes of the code."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_MODULE_LINES = 250
MAX_FUNCTION_LINES = 40

GROUND = {"app", "app.errors", "app.ports", "app.protocol"}
MAY_IMPORT = {
    "ground": {"ground"},
    "core": {"ground", "core"},
    "memory": {"ground"},
    "sync": {"ground", "core", "sync"},
    "browser": {"ground", "core", "browser"},
    "ui": {"ground", "core", "sync", "ui"},
    "main": {"ground", "core", "memory", "sync", "browser", "ui"},
    "precompiled": set(),
    "start": {"main", "precompiled"},
    "server": {"ground", "core", "server"},
    "runtime": {"runtime"},
    "serve": {"server"},
}
"""Each layer, and those whose modules it may import."""

EXCEPTIONS = {"server.site": {"runtime"}}
"""Modules that may do what their layer may not: the site is made of what the runtime build left."""

FROM_THE_PAGE = {
    "js": {"browser", "ui", "main"},
    "pyodide": {"browser", "ui", "main"},
    "pyodide_js": {"browser", "ui", "main"},
    "pyodide_http": {"browser"},
    "pyscript": {"ui", "main"},
}
"""Modules that only the page has, and the layers that may use them."""

SHIPPED = {"pydantic", "pydantic_core"}
"""What the page loads of others' Python, for any layer of the app."""

IMPURE = {"asyncio", "os", "random", "secrets", "socket", "subprocess", "threading", "time"}
IMPURE_CALLS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"} | {
    f"uuid.uuid{version}" for version in (1, 4, 6, 7)
}


def layer_of(module: str) -> str:
    """Return the layer of one of the project's modules."""
    if module in GROUND:
        return "ground"
    parts = module.split(".")
    return parts[1] if parts[0] == "app" else parts[0]


def is_own(module: str) -> bool:
    return module.split(".")[0] in {"app", "server", "runtime", "serve", "tests", "scripts"}


def imports(tree: ast.AST) -> Iterator[str]:
    """Give the modules that a source imports, wherever in it; a relative import as `.`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            below = [f"{module}.{name.name}" for name in node.names]
            if node.level:
                yield "."
            elif module in {"app", "server", "runtime"}:
                yield from (name if is_module(name) else module for name in below)
            else:
                yield module


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def wrong_imports(module: str, tree: ast.AST) -> Iterator[str]:
    """Give what a module imports though its layer may not."""
    layer = layer_of(module)
    allowed = MAY_IMPORT[layer] | EXCEPTIONS.get(module, set())
    for imported in imports(tree):
        top = imported.split(".")[0]
        if imported == ".":
            yield f"{module} imports relatively"
        elif top in FROM_THE_PAGE:
            if layer not in FROM_THE_PAGE[top]:
                yield f"{module} imports {imported}, which only the page has"
        elif is_own(imported):
            if layer_of(imported) not in allowed:
                yield f"{module} ({layer}) imports {imported} ({layer_of(imported)})"
        elif module.startswith("app") and top not in sys.stdlib_module_names | SHIPPED:
            yield f"{module} imports {imported}, which the page does not load"


def impurities(module: str, tree: ast.AST) -> Iterator[str]:
    """Give what makes a module of core wait, or depend on more than its arguments."""
    if layer_of(module) != "core":
        return
    for imported in imports(tree):
        if imported.split(".")[0] in IMPURE:
            yield f"{module} imports {imported}"
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"{module}:{node.lineno} is asynchronous"
        if isinstance(node, ast.Call):
            called = ".".join(ast.unparse(node.func).split(".")[-2:])
            if called in IMPURE_CALLS:
                yield f"{module}:{node.lineno} calls {called}"


def too_long(module: str, source: str, tree: ast.AST) -> Iterator[str]:
    """Give the module, if it has too many lines, and each of its functions that has."""
    lines = len(source.splitlines())
    if lines > MAX_MODULE_LINES:
        yield f"{module} has {lines} lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield f"{module}.{node.name} has {lines} lines"


def violations(module: str, source: str) -> list[str]:
    """Return everything that is wrong with a module."""
    tree = ast.parse(source)
    return [
        *wrong_imports(module, tree),
        *impurities(module, tree),
        *too_long(module, source, tree),
    ]


def modules() -> dict[str, Path]:
    """Return the source of each of the project's modules by its name."""
    found = [ROOT / "serve.py"]
    for package in ("app", "server", "runtime"):
        found += (ROOT / package).rglob("*.py")
    names = {path: path.relative_to(ROOT).with_suffix("").parts for path in sorted(found)}
    return {
        ".".join(parts).removesuffix(".__init__"): path
        for path, parts in names.items()
        if not {"dist", ".cache"} & set(parts)
    }


def test_every_module_keeps_to_its_layer_and_size() -> None:
    checked = modules()
    assert {"app", "app.main", "app.core.outbox", "server.app", "serve"} <= checked.keys()
    found = [line for name, path in checked.items() for line in violations(name, path.read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("app.protocol", "from app.core.outbox import enqueue"),
        ("app.core.view", "from app.sync.client import Client"),
        ("app.core.view", "def late():\n    from app import memory"),
        ("app.core.view", "import js"),
        ("app.core.view", "import time"),
        ("app.core.view", "from random import random"),
        ("app.core.view", "async def wait(): ..."),
        ("app.core.view", "import datetime\nat = datetime.datetime.now()"),
        ("app.core.view", "import uuid\nname = uuid.uuid4()"),
        ("app.memory", "from app.core import schema"),
        ("app.sync.engine", "from app.browser.idb import IndexedDBStore"),
        ("app.sync.engine", "from js import document"),
        ("app.sync.engine", "import requests"),
        ("app.sync.engine", "from . import client"),
        ("app.browser.idb", "from app.sync.client import Client"),
        ("app.browser.idb", "from pyscript import web"),
        ("app.ui.shell", "from app.browser.idb import IndexedDBStore"),
        ("app.main", "from server.push import push"),
        ("server.push", "from app.sync.client import Client"),
        ("server.push", "from app import main"),
        ("server.push", "from runtime.app_bundle import is_fresh"),
        ("runtime.build", "import app.core.schema"),
        ("serve", "from app.core import schema"),
        ("server.push", "x = 1\n" * (MAX_MODULE_LINES + 1)),
        ("server.push", "def long():\n" + "    x = 1\n" * MAX_FUNCTION_LINES),
    ],
)
def test_a_violation_is_found(module: str, source: str) -> None:
    assert len(violations(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("app.core.view", "from app.core.outbox import enqueue\nfrom app.protocol import Row"),
        ("app.core.ids", "import uuid\nname = uuid.UUID(int=1)"),
        (
            "app.sync.engine",
            "import asyncio\nfrom app import errors\nfrom pydantic import BaseModel",
        ),
        ("app.browser.idb", "from js import indexedDB\nfrom pyodide.ffi import to_js"),
        ("app.main", "from pyscript import when\nfrom app.memory import MemoryStore"),
        ("server.site", "from runtime.app_bundle import is_fresh"),
        ("server.push", "x = 1\n" * MAX_MODULE_LINES),
        ("server.push", "def long():\n" + "    x = 1\n" * (MAX_FUNCTION_LINES - 1)),
    ],
)
def test_what_is_allowed_is_not_found(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_rest_is_imported_by_nothing_that_every_page_loads() -> None:
    """Not at the top of a module: a page that talks to our server does without it."""
    for name, path in modules().items():
        if name.startswith("app.") and not name.startswith("app.sync.rest"):
            top = ast.Module(ast.parse(path.read_text()).body, [])
            top.body = [node for node in top.body if isinstance(node, ast.Import | ast.ImportFrom)]
            found = [it for it in imports(top) if it.startswith("app.sync.rest")]
            assert not found, name

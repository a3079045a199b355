"""What the build leaves in runtime/dist, and that it leaves the same each time."""

import json
import re
import time
from pathlib import Path

import pytest

from runtime import build as runtime_build
from runtime import npm
from runtime.npm import ToolError
from runtime.paths import RUNTIME, all_files, page_files, read_names
from runtime.shared_memory import without_shared_memory

EXPECTED = [
    "THIRD-PARTY.txt",
    "app.digest",
    "app.zip",
    "icons.svg",
    "pico.min.css",
    "pyodide/boot.mjs",
    "pyodide/pydantic_core/__init__.pyc",
    "pyodide/pydantic_core/_pydantic_core.wasm",
    "pyodide/pydantic_core/core_schema.pyc",
    "pyodide/pyodide-lock.json",
    "pyodide/pyodide.asm.mjs",
    "pyodide/pyodide.asm.wasm",
    "pyodide/pyodide.mjs",
    "pyodide/python_stdlib.zip",
    "pyscript/core-*.js",
    "pyscript/core.js",
    "pyscript/error-*.js",
    "pyscript/toml-*.js",
    "workbox/workbox-core.prod.js",
    "workbox/workbox-precaching.prod.js",
    "workbox/workbox-routing.prod.js",
    "workbox/workbox-strategies.prod.js",
]


def test_pyodide_makes_no_shared_memory_that_browsers_warn_of(dist: Path) -> None:
    assert b"shared:!0" not in (dist / "pyodide/pyodide.asm.mjs").read_bytes()


def test_pyodide_that_makes_its_shared_memory_otherwise_fails_the_build() -> None:
    with pytest.raises(ToolError):
        without_shared_memory(b"new WebAssembly.Memory({initial:1,maximum:1,shared:!0})")


def test_dist_holds_exactly_what_is_meant_to_be_there(dist: Path) -> None:
    hash_free = [re.sub(r"^(pyscript/\w+)-\w+\.js$", r"\1-*.js", name) for name in all_files(dist)]
    assert hash_free == EXPECTED


def test_licences_and_digests_are_not_page_files(dist: Path) -> None:
    assert set(all_files(dist)) - set(page_files(dist)) == {"THIRD-PARTY.txt", "app.digest"}


def test_every_module_that_pyscript_imports_at_once_is_there(dist: Path) -> None:
    for script in (dist / "pyscript").glob("*.js"):
        for imported in re.findall(r'from"\./([\w.-]+)"', script.read_text()):
            assert (dist / "pyscript" / imported).is_file(), f"{script.name} needs {imported}"


def test_no_script_asks_for_a_source_map(dist: Path) -> None:
    for name in page_files(dist):
        if name.endswith((".js", ".mjs", ".css")):
            assert b"sourceMappingURL" not in (dist / name).read_bytes()[-200:], name


def test_the_lock_file_offers_no_package_from_elsewhere(dist: Path) -> None:
    lock = json.loads((dist / "pyodide" / "pyodide-lock.json").read_text())
    assert lock["packages"] == {}
    assert lock["info"]["abi_version"] == "2026_0"


def test_the_sprite_has_every_icon_in_the_colour_of_its_text(dist: Path) -> None:
    sprite = (dist / "icons.svg").read_text()
    names = re.findall(r'<symbol id="([\w-]+)" viewBox="0 0 24 24"', sprite)
    assert set(names) == read_names(RUNTIME / "icons.txt")
    assert sprite.count('stroke="currentColor"') == len(names)


def test_notices_name_every_third_party(dist: Path) -> None:
    notices = (dist / "THIRD-PARTY.txt").read_text()
    for name in ("@pyscript/core", "pyodide", "workbox-core", "@picocss/pico", "lucide-static"):
        assert f"\n{name} " in notices
    for name in ("pydantic", "pydantic_core", "typing_extensions", "pyodide_http"):
        assert f"\n{name} " in notices


def test_a_build_with_nothing_to_do_is_over_at_once(dist: Path) -> None:
    start = time.monotonic()
    assert runtime_build.build() is False
    assert time.monotonic() - start < 0.5


@pytest.mark.usefixtures("dist")
def test_building_again_changes_no_byte() -> None:
    assert runtime_build.differences() == []


def test_without_npm_the_packaged_node_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    packaged = iter([None, npm.Node("bin/node", ("bin/node", "npm-cli.js"))])
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr(npm, "_packaged_node", lambda: next(packaged))
    monkeypatch.setattr(npm, "run", lambda command: commands.append(command))
    assert npm.find_node().npm == ("bin/node", "npm-cli.js")
    assert [command[-1] for command in commands] == [npm.NODE_PACKAGE]


def test_a_failing_tool_is_named_with_what_it_said(node: npm.Node) -> None:
    with pytest.raises(npm.ToolError, match=r"(?s)node -e .*failed:.*out of cheese"):
        npm.run([node.node, "-e", "console.error('out of cheese'); process.exit(3)"])

"""Rules that hold for every file of the project."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import app

ROOT = Path(__file__).resolve().parents[1]
HOSTS = re.compile(
    r"(py|np)[a-z]*(hosted|js)[.](org|com)|py[p]i[.]o[r]g|registr[y][.]np"
    r"|de[b][.]d[e]bian|js[d]elivr|un[p]kg[.]com"
)
"""Package registries and CDNs; written so that it does not match itself."""

MACHINE_PATH = re.compile(r"(^|[^A-Za-z.])/(work|farm|root|home|Users|tmp/[a-z])\b", re.MULTILINE)
PIN = re.compile(r"([A-Za-z0-9_.-]+)==([0-9][0-9A-Za-z.]*)( ;[^#]*)?")
PINNED = (
    "requirements.txt",
    "requirements-dev.txt",
    "tests/pyodide/requirements.txt",
    "runtime/wheels.txt",
)


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Give name and content of each text file that git tracks."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.split("\0"):
        path = ROOT / name
        if name and path.is_file() and b"\0" not in (content := path.read_bytes()):
            yield name, content.decode()


def found(pattern: re.Pattern[str]) -> list[str]:
    """Return file, line and match for each place where a tracked text matches."""
    return [
        f"{name}:{text.count(chr(10), 0, match.end()) + 1}: {match[0].strip()}"
        for name, text in tracked_texts()
        for match in pattern.finditer(text)
    ]


def pins(name: str) -> dict[str, str]:
    """Return the version of each package that a requirements file pins; fails where one is not."""
    versions: dict[str, str] = {}
    for line in (ROOT / name).read_text().splitlines():
        requirement = line.split(" #")[0].removesuffix("\\").strip()
        if not requirement or requirement.startswith(("#", "-r ", "--hash=")):
            continue
        match = PIN.fullmatch(requirement)
        assert match, f"{name} does not pin: {line}"
        versions[match[1].lower().replace("_", "-")] = match[2]
    return versions


def test_no_file_names_a_registry_or_a_cdn() -> None:
    assert found(HOSTS) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert found(MACHINE_PATH) == []


@pytest.mark.parametrize("name", ["files.python" + "hosted.org", "cdn.js" + "delivr.net"])
def test_a_registry_would_be_found(name: str) -> None:
    assert HOSTS.search(f"see {name}/x")


@pytest.mark.parametrize("path", ["/ro" + "ot/.cache", "'/wo" + "rk/main'", "=/tm" + "p/x"])
def test_a_machine_path_would_be_found(path: str) -> None:
    assert MACHINE_PATH.search(path)


def test_newest_entry_of_the_changelog_is_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    released = re.search(r"^## \[?(\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    assert released, "CHANGELOG.md names no version"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert released[1] == app.__version__ == project["version"]


def test_the_page_lists_exactly_the_modules_of_the_app() -> None:
    listed = tomllib.loads((ROOT / "pyscript.toml").read_text())["files"]
    there = (path.relative_to(ROOT).as_posix() for path in (ROOT / "app").rglob("*.py"))
    assert listed == {f"./{name}": f"./{name}" for name in there}


def test_every_package_is_pinned_to_one_version_everywhere() -> None:
    versions: dict[str, set[str]] = {}
    for name in PINNED:
        for package, version in pins(name).items():
            versions.setdefault(package, set()).add(version)
    assert {name: both for name, both in versions.items() if len(both) > 1} == {}

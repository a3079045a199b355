"""One text with the licence of every third party whose files the page may load."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from runtime.paths import NODE_MODULES, ROOT

_RULE = "=" * 80
_NO_TEXT = "(The package carries no text of its licence; the name above identifies it.)"


def third_party_notices(wheels: list[Path]) -> str:
    """Return name, version, licence and licence text of every npm package and wheel."""
    sections = [*_npm_sections(), *(_wheel_section(wheel) for wheel in wheels)]
    return "\n".join(f"{_RULE}\n{title}\n{_RULE}\n{text}\n" for title, text in sections)


def _npm_sections() -> Iterator[tuple[str, str]]:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    for place, entry in lock["packages"].items():
        if place:
            name = place.rpartition("node_modules/")[2]
            title = f"{name} {entry['version']} ({entry.get('license', 'see below')})"
            yield title, _licence_text(NODE_MODULES.parent / place)


def _licence_text(package: Path) -> str:
    texts = [path.read_text().strip() for path in sorted(package.glob("LICENSE*"))]
    return "\n\n".join(texts) or _NO_TEXT


def _wheel_section(wheel: Path) -> tuple[str, str]:
    name, version = wheel.name.split("-")[:2]
    with zipfile.ZipFile(wheel) as opened:
        names = [name for name in opened.namelist() if Path(name).name.startswith("LICENSE")]
        texts = [opened.read(name).decode().strip() for name in names]
    return f"{name} {version}", "\n\n".join(texts) or _NO_TEXT

"""The page that we are compared with: PyScript's documented set-up for running offline, unchanged.

Its guide says: copy `@pyscript/core/dist` and npm's `pyodide*` and `python_stdlib.zip` beside the
page, point `interpreter` at them, name the packages in the configuration. Two things it leaves
open are settled here as they work without another host: `packages_cache` is `passthrough` (the
default needs an installer that npm's Pyodide does not hold), and the lock file lists our wheels
(npm's own lists packages that are not in it). Same Pyodide, same wheels as Driftline.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

from runtime.paths import NODE_MODULES

MARK = "stock:ready"
"""The performance mark that the page sets once its model has validated some JSON."""

_PYODIDE = NODE_MODULES / "pyodide"
_PYSCRIPT = NODE_MODULES / "@pyscript" / "core" / "dist"
_NOT_IMPORTED = "pyodide-http"
_PAGE = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="UTF-8">
    <meta name="viewport" content="width=device-width, initial-scale=1.0">
    <title>Stock PyScript</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="./pyscript/core.css">
    <script type="module" src="./pyscript/core.js"></script>
  </head>
  <body>
    <script type="py" src="./main.py" config="./pyscript.json"></script>
  </body>
</html>
"""
_MAIN = f"""from pydantic import BaseModel
from pyscript import document, window


class Message(BaseModel):
    text: str
    sent_at: int


message = Message.model_validate_json('{{"text": "Hello", "sent_at": 1}}')
document.body.append(message.text)
window.performance.mark("{MARK}")
document.documentElement.dataset.ready = "true"
"""
_CONFIG = {
    "interpreter": "./pyodide/pyodide.mjs",
    "packages": ["pydantic"],
    "packages_cache": "passthrough",
}


def write_stock_page(wheels: Iterable[Path], target: Path) -> None:
    """Write the page and all that it loads into the new folder `target`."""
    shutil.copytree(_PYSCRIPT, target / "pyscript")
    pyodide = target / "pyodide"
    pyodide.mkdir()
    for path in [*_PYODIDE.glob("pyodide*"), _PYODIDE / "python_stdlib.zip"]:
        shutil.copyfile(path, pyodide / path.name)
    used = [wheel for wheel in wheels if _name(_metadata(wheel)) != _NOT_IMPORTED]
    for wheel in used:
        shutil.copyfile(wheel, pyodide / wheel.name)
    lock = json.loads((_PYODIDE / "pyodide-lock.json").read_text())
    lock["packages"] = lock_entries({wheel: _metadata(wheel) for wheel in used})
    (pyodide / "pyodide-lock.json").write_text(json.dumps(lock))
    (target / "index.html").write_text(_PAGE)
    (target / "main.py").write_text(_MAIN)
    (target / "pyscript.json").write_text(json.dumps(_CONFIG))


def lock_entries(wheels: Mapping[Path, Message]) -> dict[str, dict[str, Any]]:
    """Return what a Pyodide lock file says of wheels, given the metadata of each.

    Of what a wheel requires, only what is among the wheels is named.
    """
    names = {_name(metadata) for metadata in wheels.values()}
    entries = {}
    for wheel, metadata in wheels.items():
        required = (_normal(line) for line in metadata.get_all("Requires-Dist", []))
        entries[_name(metadata)] = {
            "name": _name(metadata),
            "version": metadata["Version"],
            "file_name": wheel.name,
            "install_dir": "site",
            "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
            "package_type": "package",
            "imports": [_name(metadata).replace("-", "_")],
            "depends": sorted(names.intersection(required)),
            "unvendored_tests": False,
        }
    return entries


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(opened.read(name).decode(), headersonly=True)


def _name(metadata: Message) -> str:
    return _normal(metadata["Name"])


def _normal(requirement: str) -> str:
    """Return the normalised name at the beginning of a requirement."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()

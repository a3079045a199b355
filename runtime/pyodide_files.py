"""The interpreter's folder: Pyodide, our standard library, our wheel and a lock that names it."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

from runtime.archive import write_stored
from runtime.npm import Node
from runtime.paths import NODE_MODULES, RUNTIME
from runtime.source_maps import without_source_map
from runtime.stdlib import build_python
from runtime.wheels import is_compiled

PYODIDE = NODE_MODULES / "pyodide"
COMPILED_PACKAGE = "pydantic-core"
_DROPPED_FROM_WHEEL = (".py", ".pyi", ".typed", "RECORD", ".cyclonedx.json")


def write_pyodide(node: Node, wheels: list[Path], target: Path) -> None:
    """Write everything that Pyodide loads in our page into the folder `target`."""
    target.mkdir(parents=True)
    shutil.copyfile(PYODIDE / "pyodide.asm.wasm", target / "pyodide.asm.wasm")
    for module in (PYODIDE / "pyodide.mjs", PYODIDE / "pyodide.asm.mjs", RUNTIME / "boot.mjs"):
        (target / module.name).write_bytes(without_source_map(module.read_bytes()))
    library, site = build_python(node, PYODIDE / "python_stdlib.zip", wheels)
    write_stored(target / "python_stdlib.zip", library)
    (compiled,) = filter(is_compiled, wheels)
    write_wheel(compiled, site, target / compiled.name)
    lock = trimmed_lock(target / compiled.name)
    (target / "pyodide-lock.json").write_text(json.dumps(lock, sort_keys=True))


def write_wheel(original: Path, bytecode: dict[str, bytes], target: Path) -> None:
    """Repack a wheel: bytecode instead of sources, stored, without what no page reads."""
    with zipfile.ZipFile(original) as opened:
        kept = {
            name: opened.read(name)
            for name in opened.namelist()
            if not name.endswith(_DROPPED_FROM_WHEEL)
        }
    write_stored(target, {**kept, **bytecode})


def trimmed_lock(wheel: Path) -> dict[str, object]:
    """Return Pyodide's lock file with one package left: ours, and what is really in it."""
    stock = json.loads((PYODIDE / "pyodide-lock.json").read_text())
    entry = {
        **stock["packages"][COMPILED_PACKAGE],
        "version": wheel.name.split("-")[1],
        "file_name": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "depends": [],  # its only dependency is in the standard library's zip
    }
    return {"info": stock["info"], "packages": {COMPILED_PACKAGE: entry}}

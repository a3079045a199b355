"""The interpreter's folder: Pyodide, our standard library and our one compiled package."""

import json
import shutil
import zipfile
from pathlib import Path

from runtime.archive import write_stored, write_tree
from runtime.npm import Node
from runtime.paths import NODE_MODULES, RUNTIME
from runtime.shared_memory import without_shared_memory
from runtime.source_maps import without_source_map
from runtime.stdlib import build_python
from runtime.wheels import is_compiled

_PYODIDE = NODE_MODULES / "pyodide"


def write_pyodide(node: Node, wheels: list[Path], target: Path) -> None:
    """Write everything that Pyodide loads in our page into the new folder `target`."""
    target.mkdir(parents=True)
    shutil.copyfile(_PYODIDE / "pyodide.asm.wasm", target / "pyodide.asm.wasm")
    for module in (_PYODIDE / "pyodide.mjs", _PYODIDE / "pyodide.asm.mjs", RUNTIME / "boot.mjs"):
        script = without_source_map(module.read_bytes())
        if module.name == "pyodide.asm.mjs":
            script = without_shared_memory(script)
        (target / module.name).write_bytes(script)
    library, site = build_python(node, _PYODIDE / "python_stdlib.zip", wheels)
    write_stored(target / "python_stdlib.zip", library)
    (compiled,) = filter(is_compiled, wheels)
    write_tree(target, site | extension_module(compiled))
    stock_lock = json.loads((_PYODIDE / "pyodide-lock.json").read_text())
    lock = {"info": stock_lock["info"], "packages": {}}
    (target / "pyodide-lock.json").write_text(json.dumps(lock, sort_keys=True))


def extension_module(wheel: Path) -> dict[str, bytes]:
    """Return the wheel's compiled module, under a name that web servers know how to compress."""
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".so"))
        folder, _, file = name.rpartition("/")
        return {f"{folder}/{file.partition('.')[0]}.wasm": opened.read(name)}

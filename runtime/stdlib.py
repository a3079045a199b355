"""The precompiled standard library, with our pure-Python packages inside.

The interpreter's stock zip holds sources, compiled anew at every start of the page. Ours holds
bytecode, made by the very same interpreter, and leaves out what a page cannot use.
"""

import zipfile
from collections.abc import Iterable
from pathlib import Path

from runtime.compiler import Sources, compile_sources
from runtime.npm import Node
from runtime.paths import RUNTIME, read_names
from runtime.typed_dicts import without_typed_dicts
from runtime.wheels import is_compiled

STDLIB_PREFIX = "/lib/python314.zip/"
SITE_PREFIX = "/lib/python3.14/site-packages/"
IMPORTERS = (RUNTIME / "quickimport.py", RUNTIME / "lateimport.py")
_SCHEMAS = "pydantic_core/core_schema.py"
_OPTIMIZE = 2
_DROPPED = read_names(RUNTIME / "dropped.txt")
_ENCODINGS = read_names(RUNTIME / "encodings.txt")


def build_python(
    node: Node, stock: Path, wheels: Iterable[Path]
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Compile the trimmed library, and the compiled package's own Python files.

    Return two sets of .pyc files: for the library's zip, and for the package's folder.
    """
    library = keep_sources(stock)
    site: dict[str, bytes] = {}
    for wheel in wheels:
        (site if is_compiled(wheel) else library).update(keep_sources(wheel))
    site[_SCHEMAS] = without_typed_dicts(site[_SCHEMAS])
    library.update({path.name: path.read_bytes() for path in IMPORTERS})
    in_library, in_site = compile_sources(
        node,
        [Sources(library, STDLIB_PREFIX, _OPTIMIZE), Sources(site, SITE_PREFIX, _OPTIMIZE)],
    )
    return in_library, in_site


def keep_sources(archive: Path) -> dict[str, bytes]:
    """Read the .py files of a zip or wheel that the page can use."""
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist() if is_kept(name)}


def is_kept(name: str) -> bool:
    """Say whether the shipped library keeps the source file `name`."""
    path = Path(name)
    if path.suffix != ".py":
        return False
    if path.parts[0] == "encodings":
        return path.stem in _ENCODINGS
    module = path.with_suffix("").as_posix()
    folders = (parent.as_posix() for parent in path.parents)
    return _DROPPED.isdisjoint({name, module, *folders})

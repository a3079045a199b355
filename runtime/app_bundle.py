"""The app's own Python as one precompiled zip, and the digest that says what it was made of."""

import hashlib
from pathlib import Path

from runtime.archive import read_tree, write_stored
from runtime.compiler import Sources, compile_sources
from runtime.npm import Node

BUNDLE = "app.zip"
DIGEST = "app.digest"
METHODS = "methods.bin"
"""What `app/precompiled.py` looks for beside itself."""
# Asserts and docstrings stay: what runs is what was tested, and no start is measurably slower.
_OPTIMIZE = 0


def sources_digest(app_dir: Path) -> str:
    """Return a sha256 over the paths and contents of every .py file below `app_dir`."""
    digest = hashlib.sha256()
    for name, content in read_tree(app_dir, ".py").items():
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def is_fresh(app_dir: Path, dist: Path) -> bool:
    """Say whether the bundle in `dist` was made of what `app_dir` holds now."""
    recorded = dist / DIGEST
    return (
        (dist / BUNDLE).is_file()
        and recorded.is_file()
        and recorded.read_text() == sources_digest(app_dir)
    )


def compile_app(node: Node, app_dir: Path, dist: Path) -> dict[str, bytes]:
    """Compile `app_dir` with the runtime built in `dist`; tracebacks name files as `app/x.py`."""
    files = {f"{app_dir.name}/{name}": data for name, data in read_tree(app_dir, ".py").items()}
    methods = f"{app_dir.name}/{METHODS}"
    (compiled,) = compile_sources(node, [Sources(files, "", _OPTIMIZE, methods)], dist)
    return compiled


def write_bundle(node: Node, app_dir: Path, dist: Path) -> None:
    """Write the bundle of `app_dir`, and the digest of what it was made of, into `dist`."""
    digest = sources_digest(app_dir)
    write_stored(dist / BUNDLE, compile_app(node, app_dir, dist))
    (dist / DIGEST).write_text(digest)

"""Host side of the compiler: hand source trees to the shipped interpreter under Node."""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.archive import read_tree, write_tree
from runtime.npm import Node, run
from runtime.paths import RUNTIME


@dataclass(frozen=True)
class Sources:
    """Python files to compile, by relative path, and the folder that tracebacks shall name.

    `methods` is where to leave the code of what their dataclasses generate: `package/file`.
    """

    files: Mapping[str, bytes]
    prefix: str
    optimize: int
    methods: str = ""


def compile_sources(
    node: Node, batches: list[Sources], dist: Path | None = None
) -> list[dict[str, bytes]]:
    """Compile each batch to .pyc files, all in one interpreter; raises ToolError.

    What was asked for of methods is among the files. What the interpreter says goes to stderr.

    The interpreter runs on the library of the built runtime `dist`, which starts sooner, or on
    the one of its npm package.
    """
    with tempfile.TemporaryDirectory(prefix="driftline-") as scratch:
        jobs = [_prepare(Path(scratch, str(index)), batch) for index, batch in enumerate(batches)]
        command = [node.node, str(RUNTIME / "compile.mjs"), json.dumps(jobs)]
        if dist is not None:
            command.append(str(dist))
        sys.stderr.write(run(command, environment=node.environment()))
        return [read_tree(Path(str(job["target"]))) for job in jobs]


def _prepare(folder: Path, batch: Sources) -> dict[str, str | int]:
    source, target = folder / "source", folder / "target"
    target.mkdir(parents=True)
    write_tree(source, batch.files)
    return {
        "source": str(source),
        "target": str(target),
        "prefix": batch.prefix,
        "optimize": batch.optimize,
        "methods": batch.methods,
    }

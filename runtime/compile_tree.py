"""Compile trees of Python sources; compile.mjs runs this inside the shipped interpreter."""

import py_compile
from pathlib import Path


def compile_tree(source: str, target: str, prefix: str, optimize: int) -> None:
    """Compile every .py below `source` into a bare .pyc at the same place below `target`.

    Unchecked, because a .pyc without its source has nothing to be checked against; in sorted
    order, because marshalled bytes depend on what the interpreter has compiled before.
    Tracebacks name each file as `prefix` followed by its path. Raises PyCompileError.
    """
    for path in sorted(Path(source).rglob("*.py")):
        name = path.relative_to(source)
        py_compile.compile(
            str(path),
            cfile=str(Path(target, name).with_suffix(".pyc")),
            dfile=prefix + name.as_posix(),
            doraise=True,
            optimize=optimize,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )

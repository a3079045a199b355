"""Runs a package when it is first used, not when it is imported.

PyScript imports its own library before it runs a page's script, whether or not the script uses it:
sources of some fifteen modules, compiled anew at every start. This module lies in Python's library,
and `boot.mjs` calls `install`. A page that uses `pyscript` has it as ever, and pays for it then.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader


class LateImporter:
    """Finds the package `name` where Python would, and has it run at its first use."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, _target: object = None
    ) -> ModuleSpec | None:
        """Return how to import the package; of any other module nothing is known here."""
        spec = PathFinder.find_spec(fullname, path) if fullname == self._name else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def install(name: str) -> None:
    """Have the package `name` run at its first use. It must not have been imported yet."""
    sys.meta_path.insert(0, LateImporter(name))

"""The methods that dataclasses generate, compiled when the app was built.

A dataclass writes its methods as source and compiles them when the class is made: a hundred times
at each start. The build does that once (`runtime/record_methods.py`), for the app's and pydantic's,
and leaves the code in the bundle.
"""

from __future__ import annotations

import dataclasses
import marshal
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from pathlib import PurePosixPath
from types import CodeType
from typing import Any

METHODS = "methods.bin"
"""Beside this module in the bundle: code by the source it was compiled from, marshalled. The build
goes by the same name (`runtime/app_bundle.py`)."""


def use_recorded_methods(spec: ModuleSpec | None = __spec__) -> None:
    """Make the dataclasses defined from now on of code that is compiled already, where it is.

    `spec` says where this module comes from. Where it lies in no bundle, nothing changes.
    """
    read = getattr(spec.loader, "get_data", None) if spec else None
    if spec is None or read is None:
        return
    try:
        recorded = marshal.loads(read(str(PurePosixPath(spec.origin or "").with_name(METHODS))))
    except OSError:
        return  # the app runs from its sources
    vars(dataclasses)["exec"] = _Run(recorded)


class _Run:
    """Does what the builtin `exec` does for `dataclasses`, with code where it knows the source."""

    def __init__(self, recorded: Mapping[str, CodeType]) -> None:
        self._recorded = recorded

    def __call__(self, source: str, namespace: dict[str, Any], local: dict[str, Any]) -> None:
        exec(self._recorded.get(source, source), namespace, local)

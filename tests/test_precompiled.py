"""Dataclasses made of recorded methods are as those that are compiled, and no less without."""

from __future__ import annotations

import dataclasses
import marshal
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from typing import Any

import pytest

from app.precompiled import METHODS, use_recorded_methods


class Bundle:
    """Where a module lies beside the recorded methods, or beside nothing."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def get_data(self, path: str) -> bytes:
        """Return the file; raises OSError where there is none."""
        if path not in self._files:
            raise OSError(path)
        return self._files[path]

    def spec(self) -> ModuleSpec:
        """Return what a module of this bundle knows of where it came from."""
        return ModuleSpec("app.precompiled", self, origin="app.zip/app/precompiled.pyc")  # type: ignore[arg-type]  # one method is enough here


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Have dataclasses compile their methods themselves behind a test."""
    yield
    vars(dataclasses).pop("exec", None)


def make() -> Any:
    """Return a dataclass that is made now."""
    return dataclasses.make_dataclass("Point", [("x", int), ("y", int)], frozen=True, order=True)


def recorded(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return the methods of `make()` as the build records them."""
    code = {}

    def record(source: str, namespace: dict[str, Any], local: dict[str, Any]) -> None:
        code[source] = compile(source, "recorded", "exec")
        exec(code[source], namespace, local)

    with monkeypatch.context() as patched:
        patched.setitem(vars(dataclasses), "exec", record)
        make()
    return marshal.dumps(code)


def test_dataclass_of_recorded_methods_behaves_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Bundle({f"app.zip/app/{METHODS}": recorded(monkeypatch)})
    use_recorded_methods(bundle.spec())
    point = make()
    assert point.__init__.__code__.co_filename == "recorded"
    assert repr(point(1, 2)) == "Point(x=1, y=2)"
    assert point(1, 2) == point(1, 2) < point(1, 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point(1, 2).x = 3


def test_dataclass_that_was_not_recorded_is_compiled() -> None:
    use_recorded_methods(Bundle({f"app.zip/app/{METHODS}": marshal.dumps({})}).spec())
    assert make()(1, 2).x == 1
    assert "exec" in vars(dataclasses)


@pytest.mark.parametrize("spec", [None, Bundle({}).spec(), ModuleSpec("app.precompiled", None)])
def test_without_a_bundle_nothing_changes(spec: ModuleSpec | None) -> None:
    use_recorded_methods(spec)
    assert "exec" not in vars(dataclasses)

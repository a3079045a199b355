"""The runtime as it is built, and the interpreter that it ships, under Node."""

import json
from pathlib import Path
from typing import Any, Protocol

import pytest

from runtime import npm
from runtime.build import build
from runtime.paths import DIST


class RunShipped(Protocol):
    def __call__(self, code: str, folder: Path | None = None) -> Any: ...


@pytest.fixture(scope="session")
def dist() -> Path:
    """Runtime/dist, brought up to date."""
    build()
    return DIST


@pytest.fixture(scope="session")
def node() -> npm.Node:
    return npm.find_node()


@pytest.fixture(scope="session")
def run_shipped(dist: Path, node: npm.Node) -> RunShipped:
    """Run code whose last expression is JSON text on the shipped interpreter; return its value."""
    script = Path(__file__).with_name("shipped.mjs")

    def run(code: str, folder: Path | None = None) -> Any:
        command = [node.node, str(script), str(dist), code, *([str(folder)] if folder else [])]
        return json.loads(npm.run(command, environment=node.environment()))

    return run

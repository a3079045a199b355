"""Tier 1b: what passes on CPython passes on the very interpreter that the page loads."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

from runtime.npm import find_node

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(sys.prefix) / "pyodide"
TESTS = ["tests/core", "tests/sync", "tests/contracts"]
STACK_SWITCHING = ("--experimental-wasm-jspi", "--experimental-wasm-stack-switching")
TIMEOUT = 1_800
"""Seconds: a machine that is busy with other work is no failure."""


def test_the_same_tests_pass_on_the_shipped_interpreter(tmp_path: Path) -> None:
    expected = count_on_cpython()
    status, output = run_on_the_shipped_interpreter(tmp_path)
    assert status == 0, output
    assert "platform emscripten -- Python 3.14" in output
    assert re.search(rf"\b{expected} passed\b", output), output


def count_on_cpython() -> int:
    """Return how many tests there are."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *TESTS]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = re.search(r"^(\d+) tests collected", listed, re.MULTILINE)
    assert found, listed
    return int(found[1])


def run_on_the_shipped_interpreter(folder: Path) -> tuple[int, str]:
    """Run the tests under Node, beside a server for them; return exit status and output."""
    node = find_node()
    serve = [sys.executable, "-m", "tests.pyodide.server", str(folder)]
    options = ["-p", "no:cacheprovider", "--capture=sys", *TESTS]
    with subprocess.Popen(serve, cwd=ROOT, stdin=PIPE, stdout=PIPE) as server:
        assert server.stdin
        assert server.stdout
        pipes = (server.stdin.fileno(), server.stdout.fileno())
        command = [node.node, *stack_switching(node.node), "tests/pyodide/run.mjs", str(ROOT)]
        done = subprocess.run(
            [*command, str(SITE), *map(str, pipes), *options],
            cwd=ROOT,
            pass_fds=pipes,
            stdout=PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        server.stdin.close()
    return done.returncode, done.stdout


def stack_switching(node: str) -> list[str]:
    """Return the option that lets Python wait inside WebAssembly, which newer Nodes need not."""
    known = subprocess.run([node, "--v8-options"], capture_output=True, text=True, check=True)
    return [option for option in STACK_SWITCHING if option in known.stdout][:1]

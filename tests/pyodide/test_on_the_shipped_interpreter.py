"""Tier 1b: what passes on CPython passes on the very interpreter that the page loads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

from runtime.npm import find_node
from tests.fakes import FakeClock
from tests.loopback import Loopback

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(sys.prefix) / "pyodide"
TESTS = ["tests/core", "tests/sync", "tests/contracts"]
STACK_SWITCHING = ("--experimental-wasm-jspi", "--experimental-wasm-stack-switching")
TIMEOUT = 600


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
    """Run the tests under Node, and be the server for them; return exit status and output."""
    node = find_node()
    (questions, ask), (answer, answers) = os.pipe(), os.pipe()
    server = threading.Thread(target=serve, args=(questions, answers, folder))
    server.start()
    command = [node.node, *stack_switching(node.node), "tests/pyodide/run.mjs", str(ROOT)]
    options = ["-p", "no:cacheprovider", "--capture=sys", *TESTS]
    try:
        done = subprocess.run(
            [*command, str(SITE), str(ask), str(answer), *options],
            cwd=ROOT,
            pass_fds=(ask, answer),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    finally:
        for end in (ask, answer):
            os.close(end)
        server.join()
    return done.returncode, done.stdout


def stack_switching(node: str) -> list[str]:
    """Return the option that lets Python wait inside WebAssembly, which newer Nodes need not."""
    known = subprocess.run([node, "--v8-options"], capture_output=True, text=True, check=True)
    return [option for option in STACK_SWITCHING if option in known.stdout][:1]


def serve(questions: int, answers: int, folder: Path) -> None:
    """Answer for `tests.pyodide.inside.Loopback` until nobody is left to ask."""
    clock = FakeClock()
    server: Loopback | None = None
    opened = 0
    with os.fdopen(questions) as asked, os.fdopen(answers, "w") as out:
        for line in asked:
            clock.time, verb, arguments = json.loads(line)
            reply: object = None
            if verb == "open":
                opened += 1
                home = folder / str(opened)
                home.mkdir()
                server = Loopback(home, clock)
            elif server is not None and verb == "call":
                got = server(*arguments)
                reply = [got.status, got.body, dict(got.headers)]
            elif server is not None and verb == "texts":
                reply = server.texts()
            elif server is not None:
                server.close()
            out.write(f"{json.dumps(reply)}\n")
            out.flush()

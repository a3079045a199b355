"""Install the pinned npm packages of a folder: `python -m scripts.node_tools tests/tools`."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from runtime.npm import ToolError, find_node
from runtime.paths import ROOT

STAMP = "lock.sha256"


def install(folder: Path) -> Path:
    """Bring the folder's node_modules to what its lock file says; returns node_modules.

    Raises ToolError where npm fails.
    """
    modules = folder / "node_modules"
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = modules / STAMP
    if stamp.is_file() and stamp.read_text() == wanted:
        return modules
    node = find_node()
    done = subprocess.run(
        [*node.npm, "ci", "--loglevel=error"],
        cwd=folder,
        env=node.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ToolError(f"npm ci in {folder.name} failed:\n{done.stderr[-2000:]}")
    stamp.write_text(wanted)
    return modules


def main() -> None:
    """Install what the command line names."""
    for name in sys.argv[1:]:
        install(ROOT / name)


if __name__ == "__main__":
    main()

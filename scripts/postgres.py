"""Make sure that there is a PostgreSQL for the tests: `python -m scripts.postgres`.

The machine's own is taken, else its package manager is asked to install it. Only the programs are
used: the tests start a cluster of their own (`scripts/cluster.py`).
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.installing import apt_commands, run

NEEDED = ("initdb", "postgres")
DEBIANS = Path("/usr/lib/postgresql")
HELP = (
    "The tests need PostgreSQL, and it could not be installed here. Install your system's package "
    "“postgresql” (or have initdb and postgres on the PATH), and try again."
)


class NoPostgres(Exception):
    """There is no PostgreSQL on this machine."""


def find() -> Path | None:
    """Return the folder of PostgreSQL's programs: that of the PATH, else Debian's newest."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(DEBIANS.glob("*/bin"), key=_version, reverse=True)
    return next((f for f in folders if all((f / name).exists() for name in NEEDED)), None)


def programs() -> Path:
    """Return the folder of PostgreSQL's programs; raises `NoPostgres`."""
    found = find()
    if found is None:
        raise NoPostgres("There is no PostgreSQL for the tests: run `make setup` first.")
    return found


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", folder.parent.name)))


def install(say: Callable[[str], object]) -> Path | None:
    """Have the package manager install PostgreSQL; return where its programs are then."""
    say("Installing PostgreSQL for the tests with apt")
    commands = apt_commands("postgresql")
    problem = next(filter(None, map(run, commands)), "" if commands else "apt cannot be used here")
    if problem:
        say(f"  did not work: {problem}")
    return find()


def main() -> int:
    """Return an exit status: 0 once there is a PostgreSQL."""
    if find() or install(lambda line: sys.stderr.write(f"{line}\n")):
        return 0
    sys.stderr.write(f"{HELP}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

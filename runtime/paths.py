"""Where the runtime build reads from and writes to, and which of its files the page loads."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = ROOT / "runtime"
NODE_MODULES = ROOT / "node_modules"
CACHE = RUNTIME / ".cache"
DIST = RUNTIME / "dist"

NOT_LOADED = frozenset({"THIRD-PARTY.txt", "app.digest"})
"""Files of dist that no page asks for: licences for people, a digest for the server."""


def all_files(dist: Path = DIST) -> list[str]:
    """List every file of a built runtime, relative to it, sorted."""
    found = (path for path in dist.rglob("*") if path.is_file())
    return sorted(path.relative_to(dist).as_posix() for path in found)


def page_files(dist: Path = DIST) -> list[str]:
    """List the files that the page loads, relative to the built runtime: what to precache."""
    return [name for name in all_files(dist) if name not in NOT_LOADED]


def read_names(listing: Path) -> frozenset[str]:
    """Read a file of one name a line, where `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in listing.read_text().splitlines())
    return frozenset(line for line in lines if line)

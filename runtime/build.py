"""Build runtime/dist: everything third-party that the page loads, and the app's bundle.

    python -m runtime.build            build what is missing or has changed
    python -m runtime.build --verify   build twice, elsewhere, and compare every byte

What was built is remembered as a digest of all inputs, so that a build with nothing to do is
over in a moment, and a change of the app alone rebuilds its bundle alone.
"""

import argparse
import hashlib
import shutil
import sys
import tempfile
import time
from pathlib import Path

from runtime import app_bundle
from runtime.assets import write_assets
from runtime.notices import third_party_notices
from runtime.npm import Node, ToolError, find_node, install_packages
from runtime.paths import CACHE, DIST, ROOT, RUNTIME, all_files
from runtime.pyodide_files import write_pyodide
from runtime.wheels import fetch_wheels

APP = ROOT / "app"
_STAMP = CACHE / "dist.stamp"


def build(app_dir: Path = APP) -> bool:
    """Bring runtime/dist up to date and say whether anything had to be done.

    Raises ToolError when a tool is missing or fails; what was built before then stays.
    """
    current = _STAMP.is_file() and _STAMP.read_text() == _stamp()
    if current and app_bundle.is_fresh(app_dir, DIST):
        return False
    node = find_node()
    install_packages(node)
    if not current:
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="dist-") as scratch:
            fresh = Path(scratch, "dist")
            build_into(fresh, node, app_dir)
            shutil.rmtree(DIST, ignore_errors=True)
            fresh.rename(DIST)
        _STAMP.write_text(_stamp())
    else:
        app_bundle.write_bundle(node, app_dir, DIST)
    return True


def build_into(target: Path, node: Node, app_dir: Path) -> None:
    """Build everything, from the packages on, into the new folder `target`."""
    wheels = fetch_wheels()
    write_pyodide(node, wheels, target / "pyodide")
    write_assets(target)
    (target / "THIRD-PARTY.txt").write_text(third_party_notices(wheels))
    app_bundle.write_bundle(node, app_dir, target)


def differences(app_dir: Path = APP) -> list[str]:
    """Build twice into temporary folders and name the files whose bytes differ."""
    node = find_node()
    install_packages(node)
    with tempfile.TemporaryDirectory(prefix="driftline-") as scratch:
        once, again = Path(scratch, "once"), Path(scratch, "again")
        build_into(once, node, app_dir)
        build_into(again, node, app_dir)
        names = sorted({*all_files(once), *all_files(again)})
        return [name for name in names if not _same(once / name, again / name)]


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def _stamp() -> str:
    """Digest what the build reads of this project, and which files it has left behind."""
    inputs = [ROOT / "package-lock.json", *RUNTIME.glob("*.*")]
    digest = hashlib.sha256()
    for path in sorted(inputs):
        if path.suffix in {".py", ".mjs", ".txt", ".json"}:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for name in all_files():
        if not name.startswith("app."):
            digest.update(f"{name}\0{(DIST / name).stat().st_size}\0".encode())
    return digest.hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m runtime.build", description=__doc__)
    parser.add_argument("--verify", action="store_true", help="build twice and compare")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        if options.verify:
            differing = differences()
            said = f"differs: {', '.join(differing)}" if differing else "two builds, same bytes"
            status = 1 if differing else 0
        else:
            said = f"built in {time.monotonic() - start:.1f} s" if build() else "up to date"
            status = 0
    except ToolError as problem:
        said, status = str(problem), 1
    sys.stdout.write(f"runtime/dist: {said}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())

"""The browser's wheels: downloaded once, each checked against its pinned hash."""

import hashlib
import shutil
import sys
from pathlib import Path

from runtime.npm import run
from runtime.paths import CACHE, RUNTIME

PINS = RUNTIME / "wheels.txt"
PLATFORM = "pyemscripten_2026_0_wasm32"


def fetch_wheels() -> list[Path]:
    """Return the pinned wheels, sorted by name, downloading them when the pins have changed.

    Raises ToolError when a wheel is not to be had or its hash differs.
    """
    pinned = hashlib.sha256(PINS.read_bytes()).hexdigest()
    folder = CACHE / "wheels" / pinned[:16]
    if not folder.is_dir():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        run(_download_command(partial))
        partial.rename(folder)
    return sorted(folder.glob("*.whl"))


def is_compiled(wheel: Path) -> bool:
    """Say whether a wheel holds code for the browser's platform, not just Python."""
    return wheel.stem.endswith(PLATFORM)


def _download_command(folder: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--require-hashes", "--no-deps", "--only-binary=:all:", "--python-version=3.14"),
        *("--implementation=cp", "--abi=cp314", "--abi=none"),
        *(f"--platform={PLATFORM}", "--platform=any"),
        *("--requirement", str(PINS), "--dest", str(folder)),
    ]

"""Having the system's package manager install what the tests need."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

_TIMEOUT = 900


def apt_commands(*packages: str) -> list[list[str]]:
    """Return the commands by which apt installs packages; none where it cannot be used."""
    if not shutil.which("apt-get") or not (os.geteuid() == 0 or shutil.which("sudo")):
        return []
    sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    return [[*apt, "update"], [*apt, "install", "--yes", *packages]]


def run(command: list[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a command and return what went wrong in one line, or nothing."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    lines = (done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"]
    return next((line for line in lines if "rror" in line), lines[-1])[:200]

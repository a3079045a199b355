"""Serve Driftline, or build its static site: see `python serve.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent

if __name__ == "__main__":
    try:
        from server.cli import main
    except ModuleNotFoundError as error:
        sys.exit(f"{error.name} is not installed. Run `make setup` first.")
    sys.exit(main(ROOT))

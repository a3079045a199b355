"""The server that is measured: the API alone, without the page, so that nothing has to be built."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from server.app import create_app
from server.cli import main
from server.run import Servable
from server.settings import Settings


def create_api(settings: Settings) -> Servable:
    """Return the server's app without the site."""
    return create_app(replace(settings, site_root=None))


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parents[2], make_app=create_api))

"""The command line: `serve.py` serves, `serve.py build` writes the static site."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from app.errors import DriftlineError
from server.app import create_app
from server.build import write_site
from server.precache import with_manifest
from server.run import Servable, listen, serve, set_up_logging
from server.settings import Settings
from server.site import collect_site


def main(
    root: Path,
    arguments: Sequence[str] | None = None,
    make_app: Callable[[Settings], Servable] = create_app,
) -> int:
    """Carry out a command line for the app in `root`; returns the exit status."""
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    out = options.pop("out", None)
    try:
        settings = Settings.load(os.environ, {**options, "site_root": root})
        set_up_logging(settings.log_level)
        if command == "build":
            write_site(with_manifest(collect_site(root, settings.api_url)), out)
            return 0
        with listen(settings.host, settings.port) as listener:
            serve(make_app(settings), listener, settings)
    except DriftlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    defaults = Settings()
    parser = argparse.ArgumentParser(
        prog="serve.py",
        description="Serve Driftline: the app's files, and the server it syncs with.",
        epilog="Each option can also be given as a variable, such as DRIFTLINE_PORT.",
    )
    parser.add_argument("--host", help=f"address to listen on (default {defaults.host})")
    parser.add_argument("--port", help=f"port, 0 for any free one (default {defaults.port})")
    parser.add_argument("--database", metavar="URL", help=f"default {defaults.database}")
    parser.add_argument("--workers", metavar="N", help="processes; this version runs one")
    commands = parser.add_subparsers(dest="command", metavar="build")
    build = commands.add_parser("build", help="write the static site to a folder")
    build.add_argument("--out", type=Path, default=Path("dist"), help="folder (default dist)")
    build.add_argument("--api-url", metavar="URL", help="where the page finds the API")
    return parser

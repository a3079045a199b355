"""The command line: `serve.py` serves; its commands build the site and care for the database."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from app.errors import DriftlineError, InvalidInput
from server.app import create_app
from server.build import write_site
from server.compaction import DEFAULT_DAYS, compact, forget_answers
from server.database import Database
from server.history import begin_epoch
from server.logs import set_up_logging
from server.migrations import migrate
from server.precache import whole_site
from server.run import MakeApp, listen, serve
from server.services import wall_clock
from server.settings import Settings, whole_number

MOST_DAYS = 36_500


def main(
    root: Path,
    arguments: Sequence[str] | None = None,
    make_app: MakeApp = create_app,
) -> int:
    """Carry out a command line for the app in `root`; returns the exit status."""
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    out, days = options.pop("out", None), options.pop("older_than", "")
    try:
        settings = Settings.load(os.environ, {**options, "site_root": root})
        set_up_logging(settings.log_level)
        if command == "build":
            write_site(whole_site(root, settings), out)
            return 0
        if command is not None:
            return _maintain(command, settings, days)
        with listen(settings.host, settings.port) as listener:
            serve(make_app, listener, settings)
    except DriftlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _maintain(command: str, settings: Settings, days: str) -> int:
    """Care for the database, and say what was done."""
    older_than = whole_number("older-than", days) if command == "compact" else 0
    if not 0 <= older_than <= MOST_DAYS:
        raise InvalidInput(f"Give --older-than as days from 0 to {MOST_DAYS:,}.")
    database = Database(settings.database)
    try:
        migrate(database)
        if command == "compact":
            now = wall_clock()
            count = compact(database, older_than, now)
            answers = forget_answers(database, older_than, now)
            what = f"{count:,} tombstones and {answers:,} answers to REST writes"
            said = f"{what} older than {older_than:,} days were deleted."
        else:
            said = f"The database's epoch is now {database.maintain(begin_epoch)}."
    finally:
        database.close()
    sys.stdout.write(f"{said}\n")
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
    parser.add_argument(
        "--database",
        metavar="URL",
        help=f"sqlite:/// or postgresql:// (default {defaults.database})",
    )
    parser.add_argument("--workers", metavar="N", help="processes, with PostgreSQL (default 1)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    build = commands.add_parser("build", help="write the static site to a folder")
    build.add_argument("--out", type=Path, default=Path("dist"), help="folder (default dist)")
    build.add_argument("--api-url", metavar="URL", help="where the page finds the API")
    build.add_argument("--transport", metavar="NAME", help="how it talks to it: batch or rest")
    compact = commands.add_parser("compact", help="forget old deletions for good")
    compact.add_argument(
        "--older-than",
        metavar="DAYS",
        default=str(DEFAULT_DAYS),
        help=f"how old they are at least (default {DEFAULT_DAYS})",
    )
    commands.add_parser("new-epoch", help="tell clients that a backup was put back")
    return parser

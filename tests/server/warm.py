"""A server whose process is replaced at once when it is killed: `python -m tests.server.warm`.

`--database URL --workers N`, also one worker and also on SQLite. It has no site, and the faults of
`tests/server/faulty.py`.
"""

from __future__ import annotations

import argparse
import sys

from server import workers
from server.logs import set_up_logging
from server.run import listen, serve_together, url_of
from server.settings import Settings
from tests.server.faulty import create_app
from tests.server.live import READY

workers.PAUSE_SECONDS = 0.0


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--workers", type=int, default=1)
    settings = Settings(port=0, **vars(parser.parse_args()))
    # So many requests are logged that nobody would read the lines out of the pipe.
    set_up_logging("ERROR")
    with listen(settings.host, settings.port) as listener:
        where = url_of(listener, settings.host)
        serve_together(create_app, listener, settings, lambda: say(f"{READY}{where}\n"))


def say(line: str) -> None:
    """Print the ready line."""
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    main()

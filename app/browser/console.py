"""Log records on the browser's console, at their own level."""

from __future__ import annotations

import logging

from js import console


class ConsoleHandler(logging.Handler):
    """Writes warnings as warnings and errors, with their tracebacks, as errors."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        write = console.error if record.levelno >= logging.ERROR else console.warn
        write(self.format(record))


def log_to_console() -> None:
    """Send every module's records of level WARNING and above to the console."""
    logging.basicConfig(handlers=[ConsoleHandler()], format="%(name)s: %(message)s")

"""Logging to standard error, one line an event.

To write is to let go of the interpreter's lock, and to wait for it costs more than the line does:
so what is logged in one turn of the event loop is written at its end, all at once. Nothing waits
longer, and warnings do not wait. A process that is killed may lose the lines of that turn.

Of an error only its kind and its place are logged: its message may quote what a person wrote, as
PostgreSQL's do with a whole row.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from typing import Any, TextIO

_PATTERN = "%(asctime)s %(levelname)s %(name)s %(message)s"


def set_up_logging(level: str) -> None:
    """Log to standard error from this level on."""
    handler = TurnHandler(sys.stderr)
    handler.setFormatter(Discreet(_PATTERN))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


class Discreet(logging.Formatter):
    """Formats errors without their messages, each with those that led to it."""

    def formatException(self, ei: Any) -> str:
        """Return an error's kind and where it came from, line by line."""
        lines = ["Traceback, without the messages:"]
        error: BaseException | None = ei[1]
        while error is not None:
            lines.append(f"{type(error).__module__}.{type(error).__qualname__}")
            lines += [
                f"    {place.filename}:{place.lineno} {place.name}"
                for place in traceback.extract_tb(error.__traceback__)
            ]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n".join(lines)


class TurnHandler(logging.StreamHandler[TextIO]):
    """Writes what one turn of the event loop logs, at its end; elsewhere it writes at once."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; the lock that `handle` holds keeps threads apart."""
        try:
            self._lines.append(self.format(record) + self.terminator)
        except Exception:
            self.handleError(record)
            return
        loop = _running_loop()
        if loop is None or record.levelno >= logging.WARNING:
            self.flush()
        elif len(self._lines) == 1:
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what was logged so far."""
        self.acquire()
        try:
            text, self._lines = "".join(self._lines), []
            if text:
                self.stream.write(text)
            super().flush()
        finally:
            self.release()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

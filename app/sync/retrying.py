"""Sending again everything that failed."""

from __future__ import annotations

import contextlib

from app.errors import InvalidInput, NotFound
from app.sync.queue import Queue

PAGE = 500
"""Entries that are looked through at a time."""


async def retry_all(queue: Queue) -> int:
    """Send all that failed again, and return how much; a conflict waits for a person's choice.

    What was damaged on this device is left as it is.
    """
    count, after = 0, 0
    while entries := await queue.pending(PAGE, after):
        after = entries[-1].seq
        for entry in entries:
            if entry.state == "failed" and entry.damaged is None:
                with contextlib.suppress(NotFound, InvalidInput):  # changed in the meantime
                    await queue.retry(entry.id)
                    count += 1
    return count

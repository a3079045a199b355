"""When to try again: full jitter, capped, honouring the server's Retry-After.

Full jitter is the variant of exponential backoff with the least contention: "Exponential Backoff
And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

PATIENT_AFTER = 12
"""Failures in a row after which delays may grow past the cap, up to the late cap."""

LONGEST_ASKED = 86_400.0
"""Seconds that a server can ask for; a browser's timers run out at once past 2**31 ms."""

LONGEST_DATED = 3_600.0
"""Seconds until a date that a server names, at most."""


@dataclass(frozen=True)
class Backoff:
    """Delays in seconds: the ceiling doubles from `first` to `cap` with each failure.

    What has failed more than twelve times in a row can wait longer: from then on the ceiling
    doubles once more, up to `late_cap`.
    """

    first: float = 1.0
    cap: float = 60.0
    late_cap: float = 900.0

    def ceiling(self, failures: int) -> float:
        """Return the longest delay after `failures` failures in a row (1 or more)."""
        early = min(self.cap, self.first * 2 ** min(failures - 1, 32))
        late = self.cap * 2 ** min(max(failures - PATIENT_AFTER, 0), 32)
        return float(early if failures <= PATIENT_AFTER else min(self.late_cap, late))

    def delay(self, failures: int, chance: float, retry_after: float | None = None) -> float:
        """Return the delay after `failures` failures; `chance` is uniform in [0, 1).

        A `retry_after` of the server is a lower bound: never earlier, spread by up to `first`. It
        is no upper one: who is told the same again and again waits longer all the same.
        """
        earliest = 0.0 if retry_after is None else retry_after + chance * self.first
        return max(earliest, self.ceiling(failures) * chance)


@dataclass(frozen=True)
class RetryPolicy:
    """How the actions of a type are tried again.

    `max_attempts` counts only attempts that failed for the action alone on a server that took
    others; whatever is the network's or the server's fault is tried again for ever.
    """

    backoff: Backoff = Backoff()
    max_attempts: int = 3


DEFAULT_RETRY = RetryPolicy()


@dataclass(frozen=True)
class Probe:
    """Delays in seconds between probes of a dead connection: doubling, with ±20 % of jitter."""

    first: float = 5.0
    cap: float = 60.0

    def delay(self, probes: int, chance: float, retry_after: float | None = None) -> float:
        """Return the delay before the next probe after `probes` probes failed (0 or more).

        A `retry_after` is a lower bound, as it is for `Backoff`.
        """
        earliest = 0.0 if retry_after is None else retry_after + chance * self.first
        nominal = min(self.cap, self.first * 2 ** min(probes, 32))
        return max(earliest, float(nominal * (0.8 + 0.4 * chance)))


def parse_retry_after(value: str | None, now: int) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110 §10.2.3), or `None`.

    `value` is a number of seconds or an HTTP date; `now` is in milliseconds since the epoch. What
    asks for more than a day is taken as one day, and a date as one hour at most: the device's clock
    may be years off.
    """
    if value is None:
        return None
    if re.fullmatch(r"\s*[0-9]+\s*", value):
        return min(LONGEST_ASKED, float(value))
    # Rarely needed, and too heavy an import for every start of the page.
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    asked = (date - datetime.fromtimestamp(now / 1000, UTC)).total_seconds()
    return min(LONGEST_DATED, max(0.0, asked))

"""When to try again: full jitter, capped, honouring the server's Retry-After.

Full jitter is the variant of exponential backoff with the least contention: "Exponential Backoff
And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

PATIENT_AFTER = 12
"""Failures in a row after which delays may grow past the cap, up to the late cap."""

PATIENT_AFTER = 12
"""Failures in a row after which delays may grow past the cap, up to the late cap."""


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

        A `retry_after` of the server is a lower bound: never earlier, spread by up to `first`.
        """
        if retry_after is not None:
            return retry_after + chance * self.first
        return self.ceiling(failures) * chance


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

    def delay(self, probes: int, chance: float) -> float:
        """Return the delay before the next probe after `probes` probes failed (0 or more)."""
        return float(min(self.cap, self.first * 2 ** min(probes, 32)) * (0.8 + 0.4 * chance))


def parse_retry_after(value: str | None, now: int) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110 §10.2.3), or `None`.

    `value` is a number of seconds or an HTTP date; `now` is in milliseconds since the epoch.
    """
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    # Rarely needed, and too heavy an import for every start of the page.
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.fromtimestamp(now / 1000, UTC)).total_seconds())

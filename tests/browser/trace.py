"""What Chromium traced of a page: how long its thread ran script between two of its own marks."""

from __future__ import annotations

import json
from typing import Any

MARKS = "blink.user_timing"
SCRIPT = {
    "EvaluateScript",
    "EventDispatch",
    "FireAnimationFrame",
    "FunctionCall",
    "RunMicrotasks",
    "TimerFire",
    "v8.callFunction",
}
"""The names of what runs script; they lie within each other."""


class Trace:
    """A trace of one page, whose script set marks (`performance.mark`)."""

    def __init__(self, data: bytes) -> None:
        events: list[dict[str, Any]] = json.loads(data)["traceEvents"]
        marks = [event for event in events if MARKS in event.get("cat", "")]
        thread = next((mark["pid"], mark["tid"]) for mark in marks if mark["name"] == "painted")
        own = [event for event in events if (event["pid"], event["tid"]) == thread]
        own.sort(key=lambda event: (event["ts"], -event.get("dur", 0)))
        self._marks = [(it["ts"], it["name"]) for it in own if MARKS in it.get("cat", "")]
        self._script: list[dict[str, Any]] = []
        end = -1
        for event in own:
            if event["ph"] == "X" and event["name"] in SCRIPT and event["ts"] >= end:
                self._script.append(event)
                end = event["ts"] + event.get("dur", 0)

    def script(self, begin: str, end: str) -> list[float]:
        """Return the milliseconds of script from each mark `begin` to the next `end`, sorted.

        Of several `begin` before an `end`, the first one counts.
        """
        found: list[float] = []
        begun: float | None = None
        for at, name in self._marks:
            if name == begin and begun is None:
                begun = at
            elif name == end and begun is not None:
                found.append(self._between(begun, at))
                begun = None
        return sorted(found)

    def _between(self, begin: float, end: float) -> float:
        within = (event for event in self._script if begin <= event["ts"] <= end)
        total: float = sum(event["tdur"] for event in within)
        return round(total / 1000, 1)

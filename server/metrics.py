"""What the server counts, in a registry of its own: numbers only, by names that cannot grow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from app.protocol import Result, Verdict
from server.streams import Streams

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Counters of one app. The time of a request is that until its answer begins."""

    def __init__(self, streams: Streams) -> None:
        self._registry = CollectorRegistry()
        self._verdicts = Counter(
            "driftline_verdicts", "Verdicts on actions.", ["verdict"], registry=self._registry
        )
        for verdict in get_args(Verdict):
            self._verdicts.labels(verdict)
        self._requests = Histogram(
            "driftline_request_seconds",
            "Time until the answer to a request begins.",
            ["route", "status"],
            registry=self._registry,
            buckets=_BUCKETS,
        )
        Gauge(
            "driftline_open_streams", "Event streams that are open.", registry=self._registry
        ).set_function(lambda: streams.count)

    def judged(self, results: Iterable[Result]) -> None:
        """Count verdicts that were given."""
        for result in results:
            self._verdicts.labels(result.verdict).inc()

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request by its route and the class of its status, such as `2xx`."""
        self._requests.labels(route, f"{status // 100}xx").observe(seconds)

    def text(self) -> bytes:
        """Return all as Prometheus reads it."""
        return generate_latest(self._registry)

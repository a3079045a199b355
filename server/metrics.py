"""What the server counts, in a registry of its own: numbers only, by names that cannot grow."""

from __future__ import annotations

import collections
import os
from collections.abc import Iterable
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

from app.protocol import Verdict
from server.streams import Streams

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Counters of one app. The time of a request is that until its answer begins."""

    def __init__(self, streams: Streams) -> None:
        self._registry = CollectorRegistry()
        self._verdicts = Counter(
            "driftline_verdicts", "Verdicts on actions.", ["verdict"], registry=self._registry
        )
        self._of = {verdict: self._verdicts.labels(verdict) for verdict in get_args(Verdict)}
        self._requests = Histogram(
            "driftline_request_seconds",
            "Time until the answer to a request begins.",
            ["route", "status"],
            registry=self._registry,
            buckets=_BUCKETS,
        )
        open_streams = Gauge(
            "driftline_open_streams",
            "Event streams that are open.",
            registry=self._registry,
            multiprocess_mode="sum",
        )
        # Also for one who died with streams open, and whose place this worker takes.
        open_streams.set(streams.count)
        streams.on_change = open_streams.set

    def judged(self, verdicts: Iterable[Verdict]) -> None:
        """Count verdicts that were given."""
        for verdict, count in collections.Counter(verdicts).items():
            self._of[verdict].inc(count)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request by its route and the class of its status, such as `2xx`."""
        self._requests.labels(route, f"{status // 100}xx").observe(seconds)

    def text(self) -> bytes:
        """Return all as Prometheus reads it: of all workers, where there are several."""
        if (folder := os.environ.get(_FOLDER)) is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)
        return generate_latest(registry)


def share_metrics(folder: str, worker: int) -> None:
    """Have this process count in `folder`, so that each worker can tell the sums of all.

    To be called before an app is made. A worker that takes the place of another counts on.
    """
    os.environ[_FOLDER] = folder
    # What the library does itself at its import, if the variable was set by then.
    values.ValueClass = values.MultiProcessValue(lambda: worker)

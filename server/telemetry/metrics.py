"""The figures of one process, in Prometheus' words; several web processes add theirs up.

Importing this module decides whether figures are shared (see `sharing.py`), so it must not come
before the server has settled that.
"""

import os
from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    start_http_server,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from server.telemetry.sharing import SHARED_FOLDER

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_STAGE_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counts and times; thread-safe. Labels have few values each, and none that a client chose."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = self._counter("http_requests", "HTTP requests answered", "face", "status")
        self.request_seconds = self._histogram(
            "http_request_seconds", "From a whole request to its answer", "face", _REQUEST_S
        )
        self.classifications = self._counter(
            "classifications", "Images classified, by what the rules say", "outcome", "recorded"
        )
        self.stage_seconds = self._histogram(
            "stage_seconds", "Parts of a classification", "stage", _STAGE_S
        )
        self.fetches = self._counter("fetches", "URLs fetched, or why not", "result")
        self.image_errors = self._counter(
            "image_errors", "Images that could not be classified", "error"
        )
        self.busy = self._counter("busy", "Calls turned away for want of a permit")
        self.decisions = self._counter("decisions", "Moderation decisions made", "state", "by")

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"parsewarden_{name}", what, labels, registry=self._registry)

    def _histogram(self, name: str, what: str, label: str, bounds: tuple[float, ...]) -> Histogram:
        return Histogram(
            f"parsewarden_{name}", what, [label], registry=self._registry, buckets=bounds
        )

    def serve(self, address: str, port: int) -> None:
        """Answer Prometheus on a port of its own, for a process that serves nothing else."""
        start_http_server(port, address, self._registry)

    def exposition(self, at_the_moment: Iterable[Metric] = ()) -> bytes:
        """Say all figures, those of other processes added, and what is only looked up now."""
        registry = self._registry
        if SHARED_FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        momentary = CollectorRegistry()
        momentary.register(_Given(at_the_moment))
        return generate_latest(registry) + generate_latest(momentary)


class _Given(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics

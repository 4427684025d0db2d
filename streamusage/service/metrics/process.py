"""Metrics of one process: its requests and commits, its clock, and the text of all metrics."""

import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from streamusage import __version__
from streamusage.api.extension import ServiceClock
from streamusage.service.metrics.estate import MetricsLimits
from streamusage.service.metrics.estate_figures import EstateFigures
from streamusage.service.metrics.requests import SECONDS, RequestMetrics

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS = "application/openmetrics-text"


class MetricsText(NamedTuple):
    """Metrics as they are sent."""

    body: bytes
    content_type: str


class Metrics:
    """The metrics of one service since it started."""

    def __init__(self, limits: MetricsLimits | None = None) -> None:
        self.estate = EstateFigures(limits or MetricsLimits())
        self.limits = limits or MetricsLimits()
        self._registry = CollectorRegistry()
        self.requests = RequestMetrics()
        self._registry.register(self.requests)
        self._commits = Histogram(
            "streamtop_commit_seconds",
            "Duration of a commit, its writes included",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._group = Histogram(
            "streamtop_commit_writes",
            "Writes in a commit",
            buckets=(1, 2, 5, 10, 20, 50, 100, 256),
            registry=self._registry,
        )
        self._discarded = Counter(
            "streamtop_discarded_records", "Usage records discarded by retention", registry=self._registry
        )
        self._writing = threading.Lock()

    def observe_commit(self, writes: int, seconds: float) -> None:
        """Record a commit of that many writes."""
        self._commits.observe(seconds)
        self._group.observe(writes)

    def count_discarded(self, records: int) -> None:
        """Count records that retention discarded."""
        self._discarded.inc(records)

    def process_families(self) -> list[Metric]:
        """Return the metrics of this process since it started."""
        build = GaugeMetricFamily("streamtop_build_info", "Version of the process; always 1", labels=["version"])
        build.add_metric([__version__], 1)
        with self._writing:
            return [build, *self._registry.collect()]


def format_metrics(families: Iterable[Metric], accept: str) -> MetricsText:
    """Return metrics in OpenMetrics' format if the header `Accept` names it, else in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Families(families))
    if _OPENMETRICS in accept:
        encode: Callable[[Collector], bytes] = openmetrics.generate_latest
        return MetricsText(encode(registry), openmetrics.CONTENT_TYPE_LATEST)
    return MetricsText(generate_latest(registry), TEXT_TYPE)


def clock_metrics(clock: ServiceClock) -> list[GaugeMetricFamily]:
    """Return the metrics of the service's clock."""
    families = [
        _single_gauge(
            "streamtop_clock_doubtful",
            "1 while the clock of the service is in doubt: nothing is closed, discarded or exported",
            int(clock.state == "doubtful"),
        ),
        _single_gauge(
            "streamtop_clock_wall_minus_trusted_seconds",
            "Wall clock of the machine minus trusted time",
            clock.wall_ahead_ms / 1000,
        ),
        _single_gauge("streamtop_clock_machines", "Machines of agents that can judge the wall clock", clock.machines),
    ]
    if clock.synchronised is not None:
        families.append(
            _single_gauge(
                "streamtop_clock_kernel_synchronised",
                "1 if the kernel believes that its clock is synchronised",
                int(clock.synchronised),
            )
        )
    return families


def _single_gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=value)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families

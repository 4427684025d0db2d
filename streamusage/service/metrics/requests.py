"""Metrics of requests and reports of one process: rate, errors and duration of every route."""

import collections
import time
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streamusage.service.limits import LIMIT_FIELDS, limit_name

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""Bucket bounds of durations."""

_BOUNDS = [*(str(float(bound)) for bound in SECONDS), "+Inf"]


class _Durations:
    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.seconds = 0.0


class RequestMetrics(Collector):
    """Requests and reports since the service started. Changed by one thread, read by any.

    They are plain numbers of the event loop: a request costs next to nothing, only a scrape costs the formatting.
    """

    def __init__(self) -> None:
        self._open = 0
        self._answered: collections.Counter[tuple[str, str, int]] = collections.Counter()
        self._durations: dict[tuple[str, str], _Durations] = {}
        self._reports: collections.Counter[str] = collections.Counter()
        self._refused: collections.Counter[str] = collections.Counter()

    def begin(self) -> float:
        """Count an open request and return its start time for `end`."""
        self._open += 1
        return time.perf_counter()

    def end(self, method: str, route: str, status: int, began: float) -> float:
        """Count an answer and return how many seconds it took; status 0 stands for a client that disconnected."""
        seconds = time.perf_counter() - began
        self._open -= 1
        self._answered[method, route, status] += 1
        durations = self._durations.get((method, route))
        if durations is None:
            durations = self._durations[method, route] = _Durations()
        durations.counts[bisect_left(SECONDS, seconds)] += 1
        durations.seconds += seconds
        return seconds

    def count_report(self, outcome: str) -> None:
        """Count a report by its outcome."""
        self._reports[outcome] += 1

    def count_refusal(self, limit: str) -> None:
        """Count a request that was refused because it exceeds the limit of that name."""
        self._refused[limit] += 1

    def collect(self) -> Iterable[Metric]:
        """Return the metrics in Prometheus' types."""
        answered = CounterMetricFamily(
            "streamtop_requests", "Requests by route and status", labels=["method", "route", "status"]
        )
        for (method, route, status), count in list(self._answered.items()):
            answered.add_metric([method, route, str(status or "aborted")], count)
        took = HistogramMetricFamily(
            "streamtop_request_seconds", "Duration of requests by route", labels=["method", "route"]
        )
        for (method, route), durations in list(self._durations.items()):
            seconds, counts = durations.seconds, list(durations.counts)
            buckets = [(bound, float(count)) for bound, count in zip(_BOUNDS, accumulate(counts), strict=True)]
            took.add_metric([method, route], buckets, seconds)
        reports = CounterMetricFamily("streamtop_reports", "Reports by outcome", labels=["outcome"])
        for outcome, count in list(self._reports.items()):
            reports.add_metric([outcome], count)
        being_answered = GaugeMetricFamily("streamtop_requests_open", "Requests in progress", value=self._open)
        refused = CounterMetricFamily("streamtop_limit_refusals", "Requests refused by a limit", labels=["limit"])
        for field in LIMIT_FIELDS:
            refused.add_metric([limit_name(field)], self._refused[limit_name(field)])
        return [answered, took, being_answered, reports, refused]

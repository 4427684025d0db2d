"""Rate, errors and duration of requests, kept in plain numbers by the loop that answers them: a request costs next to
nothing, and only Prometheus' own question costs its format."""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""The bounds of the durations that are told apart."""

_BOUNDS = [*(str(float(bound)) for bound in SECONDS), "+Inf"]


class _Durations:
    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.seconds = 0.0


class RequestFigures(Collector):
    """What was asked and answered since the service started. Changed by one thread, read by any."""

    def __init__(self) -> None:
        self._open = 0
        self._answered: Counter[tuple[str, str, int]] = Counter()
        self._durations: dict[tuple[str, str], _Durations] = {}
        self._reports: Counter[str] = Counter()

    def began(self) -> float:
        """When a request began, for `ended`."""
        self._open += 1
        return time.perf_counter()

    def ended(self, method: str, route: str, status: int, began: float) -> float:
        """Counts an answer and says how many seconds it took; a status of 0 stands for a client that went away."""
        seconds = time.perf_counter() - began
        self._open -= 1
        self._answered[method, route, status] += 1
        durations = self._durations.get((method, route))
        if durations is None:
            durations = self._durations[method, route] = _Durations()
        durations.counts[bisect_left(SECONDS, seconds)] += 1
        durations.seconds += seconds
        return seconds

    def report(self, outcome: str) -> None:
        """Counts a report by what became of it."""
        self._reports[outcome] += 1

    def collect(self) -> Iterable[Metric]:
        answered = CounterMetricFamily(
            "streamtop_requests", "Requests by route and status", labels=["method", "route", "status"]
        )
        for (method, route, status), count in list(self._answered.items()):
            answered.add_metric([method, route, str(status or "aborted")], count)
        took = HistogramMetricFamily("streamtop_request_seconds", "Time to answer by route", labels=["method", "route"])
        for (method, route), durations in list(self._durations.items()):
            seconds, counts = durations.seconds, list(durations.counts)
            buckets = [(bound, float(count)) for bound, count in zip(_BOUNDS, accumulate(counts), strict=True)]
            took.add_metric([method, route], buckets, seconds)
        reports = CounterMetricFamily("streamtop_reports", "Reports by what became of them", labels=["outcome"])
        for outcome, count in list(self._reports.items()):
            reports.add_metric([outcome], count)
        being_answered = GaugeMetricFamily(
            "streamtop_requests_open", "Requests that are being answered", value=self._open
        )
        return [answered, took, being_answered, reports]

"""Prometheus metrics: rate, errors and duration of every route, commits, and how complete the servers' figures are."""

import collections
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from msgspec import UNSET
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, case, func, select

from streamusage.api.disagreements import SIDES
from streamusage.api.extension import ServerStatus, ServiceClock
from streamusage.service.accounting.disagreements import count_open
from streamusage.service.limits import LIMIT_FIELDS, limit_name
from streamusage.service.queries.coverage import list_servers
from streamusage.service.store.schema import held, orphans, report_parts, servers, voids

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

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


class Metrics:
    """The metrics of one service since it started."""

    def __init__(self) -> None:
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

    def render(self, store_families: Iterable[GaugeMetricFamily]) -> bytes:
        """Return all metrics in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(_Families(list(store_families)))
        with self._writing:
            return bytes(generate_latest(self._registry)) + bytes(generate_latest(registry))


class _Families(Collector):
    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self._families


def store_metrics(connection: Connection, now_ms: int) -> list[GaugeMetricFamily]:
    """Return the metrics of the store's present content."""
    estate = list_servers(connection, now_ms).servers
    states = GaugeMetricFamily("streamtop_servers", "Servers by state", labels=["state"])
    for state in ("live", "unreachable", "removed"):
        states.add_metric([state], sum(server.state == state for server in estate))
    lag = GaugeMetricFamily(
        "streamtop_journal_lag_seconds",
        "Age of the oldest figures that a server's journal has and the service lacks",
        labels=["server"],
    )
    subscribers = GaugeMetricFamily("streamtop_active_subscribers", "Present subscribers", labels=["server"])
    unread = GaugeMetricFamily(
        "streamtop_source_error", "1 while the agent of a server cannot read its media server", labels=["server"]
    )
    for server in estate:
        if server.state != "removed":
            if server.watermark is not None or not server.is_unread:
                subscribers.add_metric([server.server], server.active_subscribers)
            lag.add_metric([server.server], max(0, now_ms - _accounted_to(server, now_ms)) / 1000)
            unread.add_metric([server.server], int(server.is_unread))
    owing = select(func.count(), func.coalesce(func.sum(case((servers.c.owes == "held", 1), else_=0)), 0))
    gaps, held_gaps = connection.execute(owing.where(servers.c.owes != "", servers.c.removed == "")).one()
    gaps_open = GaugeMetricFamily("streamtop_gaps_open", "Servers whose figures are overdue", labels=["state"])
    gaps_open.add_metric(["missing"], int(gaps) - int(held_gaps))
    gaps_open.add_metric(["held"], int(held_gaps))
    lasting = GaugeMetricFamily(
        "streamtop_disagreements_open", "Figures whose newest compared hour disagrees", labels=["kind"]
    )
    open_by_kind = count_open(connection)
    for kind in SIDES:
        lasting.add_metric([kind], open_by_kind.get(kind, 0))
    return [
        states,
        gaps_open,
        lasting,
        _single_gauge(
            "streamtop_reports_held", "Reports quarantined for an operator", _count(connection, held, held.c.open == 1)
        ),
        _single_gauge(
            "streamtop_report_parts_pending",
            "Parts of accepted reports that are not applied yet",
            _count(connection, report_parts),
        ),
        _single_gauge(
            "streamtop_void_closings",
            "Closings of days that no longer count, because a clock was wrong",
            _count(connection, voids),
        ),
        _single_gauge("streamtop_orphans", "Rows reported for deleted records", _count(connection, orphans)),
        lag,
        subscribers,
        unread,
    ]


def _accounted_to(server: ServerStatus, now_ms: int) -> int:
    """Return up to when a server is accounted for; one that was never read, up to the first failure."""
    if server.watermark is not None:
        return server.watermark
    return now_ms if server.source_error_since is UNSET else server.source_error_since


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


def _count(connection: Connection, table: Any, *where: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())

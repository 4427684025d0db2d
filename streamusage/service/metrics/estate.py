"""Metrics of the estate: counters of all that was reported, days by server and scope with their coverage, and who is
present. Pure.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from streamusage.core.coverage import Provenance
from streamusage.core.figures import NOT_BY_STREAM, STREAM_SUM_NAMES
from streamusage.service.metrics.labels import Labels, label_value
from streamusage.service.queries.estate.server_days import DaySums
from streamusage.service.queries.estate.snapshot import EstateDay, EstateSnapshot
from streamusage.service.queries.estate.totals import ServerTotals
from streamusage.service.rules.scope_hours import ScopeTime, highest_minute_bps

_BITS_OF_BYTE = 8
_DIRECTIONS = (("in", "bytes_in"), ("out", "bytes_out"))
Value = TypeVar("Value")


@dataclass(frozen=True)
class MetricsLimits:
    """How many series the metrics have, and how often their figures are computed."""

    scopes: int = 20
    """Scopes with series of their own: those with the most traffic of two days. 0 leaves out metrics by scope."""
    servers: int = 1_000
    """Servers with series of their own: those that reported first."""
    reuse_ms: int = 5_000
    """How long computed figures are reused at least; 0 computes them for every request."""


class EstateLabels(NamedTuple):
    """The servers and scopes that have series of their own."""

    servers: Labels
    scopes: Labels


def choose_labels(snapshot: EstateSnapshot, limits: MetricsLimits) -> EstateLabels:
    """Return the servers that reported first, and the scopes with the most traffic, then subscribers, then by name."""
    traffic: dict[str, int] = dict.fromkeys(snapshot.present.scopes, 0)
    for day in snapshot.days:
        for scope, figures in day.scopes.items():
            traffic[scope] = traffic.get(scope, 0) + sum(_by_direction(figures).values())

    def rank(scope: str) -> tuple[int, int, str]:
        present = snapshot.present.scopes.get(scope)
        return -traffic[scope], -(present.subscribers if present else 0), scope

    of_days = {server for day in snapshot.days for server in day.servers}
    removed = sorted(of_days - set(snapshot.names))
    return EstateLabels(
        Labels([*snapshot.names, *removed], limits.servers), Labels(sorted(traffic, key=rank), limits.scopes)
    )


def estate_families(snapshot: EstateSnapshot, limits: MetricsLimits) -> list[Metric]:
    """Return the metrics of a snapshot."""
    labels = choose_labels(snapshot, limits)
    families: list[Metric] = [
        _gauge(
            "streamtop_figures_timestamp_seconds", "When the figures of the estate were read", snapshot.at_ms / 1000
        ),
        *_counters(snapshot, labels.servers),
        *_day_families(snapshot, labels.servers),
        *_present_families(snapshot, labels.servers),
        _by_label(
            "streamtop_metrics_limit",
            "Names of a kind that have series of their own at most",
            {"server": limits.servers, "scope": limits.scopes},
        ),
        _by_label(
            "streamtop_metrics_folded_names",
            "Names of a kind whose figures are in the series other",
            {"server": labels.servers.folded, "scope": labels.scopes.folded},
        ),
    ]
    if limits.scopes:
        families += _scope_families(snapshot, labels.scopes)
    return families


def _counters(snapshot: EstateSnapshot, servers: Labels) -> Iterable[Metric]:
    """Return counters by server and of the whole estate. Servers without series of their own have none: a series of
    several would fall when one of them gets its own.
    """
    by_server: dict[tuple[str, ...], ServerTotals] = {
        (servers.of(name),): sums for name, sums in snapshot.totals.servers.items() if servers.has(name)
    }
    yield from _counter_families("streamtop_", ["server"], by_server)
    yield from _counter_families("streamtop_estate_", [], {(): snapshot.totals.whole})


def _counter_families(
    prefix: str, keys: Sequence[str], totals: Mapping[tuple[str, ...], ServerTotals]
) -> Iterable[Metric]:
    of = "that servers reported" if keys else "that all servers together reported"
    for part, what in (("", of), ("backfilled_", f"{of} too late to be live, a part of all")):
        name = f"{prefix}{part}"
        connections = CounterMetricFamily(f"{name}connections", f"Connections {what}", labels=[*keys, "protocol"])
        traffic = CounterMetricFamily(f"{name}traffic_bytes", f"Bytes {what}", labels=[*keys, "direction"])
        views = CounterMetricFamily(f"{name}view_seconds", f"View time {what}", labels=keys)
        for labels, figures in totals.items():
            sums = figures.late_sums if part else figures.sums
            by_protocol = figures.late_connections if part else figures.connections
            for protocol, count in sorted(by_protocol.items()):
                connections.add_metric([*labels, label_value(protocol)], count)
            for direction, figure in _DIRECTIONS:
                traffic.add_metric([*labels, direction], sums[figure])
            views.add_metric(labels, sums["view_time_ms"] / 1000)
        yield from (connections, traffic, views)


class _DayMetrics:
    """Families of days by one label."""

    def __init__(self, prefix: str, label: str, of: str, *, by_protocol: bool) -> None:
        keys = ["day", label]
        protocol = ["protocol"] if by_protocol else []
        self.connections = GaugeMetricFamily(
            f"{prefix}day_connections", f"Connections of a day by {of}", labels=[*keys, *protocol]
        )
        self.traffic = GaugeMetricFamily(
            f"{prefix}day_traffic_bytes", f"Bytes of a day by {of}", labels=[*keys, "direction"]
        )
        self.views = GaugeMetricFamily(f"{prefix}day_view_seconds", f"View time of a day by {of}", labels=keys)
        self.peaks = GaugeMetricFamily(
            f"{prefix}day_peak_bytes_per_second",
            f"Highest bandwidth of a day by {of}; peaks do not add up",
            labels=[*keys, "direction"],
        )
        self.covered = GaugeMetricFamily(
            f"{prefix}day_covered_seconds",
            f"Time of a day by {of} and provenance; with partial, missing, lost or held time, figures are lower bounds",
            labels=[*keys, "state"],
        )

    def add(self, day: str, label: str, traffic: Mapping[str, int], view_time_ms: int) -> None:
        for direction, count in traffic.items():
            self.traffic.add_metric([day, label, direction], count)
        self.views.add_metric([day, label], view_time_ms / 1000)

    def add_peak(self, day: str, label: str, direction: str, bps: int) -> None:
        self.peaks.add_metric([day, label, direction], bps / _BITS_OF_BYTE)

    def add_covered(self, day: str, label: str, covered_ms: Mapping[Provenance, int]) -> None:
        for state in Provenance:
            self.covered.add_metric([day, label, state.value], covered_ms[state] / 1000)

    def families(self) -> list[Metric]:
        return [self.connections, self.traffic, self.views, self.peaks, self.covered]


def _day_families(snapshot: EstateSnapshot, servers: Labels) -> Iterable[Metric]:
    starts = GaugeMetricFamily("streamtop_day_start_timestamp_seconds", "Start of a day", labels=["day"])
    info = GaugeMetricFamily(
        "streamtop_day_info", "Date of a day, in the first account zone; always 1", labels=["day", "date", "tz"]
    )
    peaks = GaugeMetricFamily(
        "streamtop_estate_day_peak_bytes_per_second",
        "Highest minute of a day over all servers together; of one server, its peak",
        labels=["day", "direction"],
    )
    metrics = _DayMetrics("streamtop_", "server", "server", by_protocol=True)
    for day in snapshot.days:
        starts.add_metric([day.label], day.interval.from_ms / 1000)
        info.add_metric([day.label, day.day.isoformat(), snapshot.tz], 1)
        peaks.add_metric([day.label, "in"], day.peak.in_bps / _BITS_OF_BYTE)
        peaks.add_metric([day.label, "out"], day.peak.out_bps / _BITS_OF_BYTE)
        for label, figures in _folded(day.servers, servers, DaySums, DaySums.fold).items():
            metrics.add(day.label, label, _sums_by_direction(figures.sums), figures.sums["view_time_ms"])
            for protocol, count in sorted(figures.connections.items()):
                metrics.connections.add_metric([day.label, label, label_value(protocol)], count)
            for direction, bps in (("in", figures.peak_in_bps), ("out", figures.peak_out_bps)):
                if bps is not None:
                    metrics.add_peak(day.label, label, direction, bps)
            metrics.add_covered(day.label, label, figures.covered_ms)
    return [starts, info, peaks, *metrics.families()]


def _scope_families(snapshot: EstateSnapshot, scopes: Labels) -> Iterable[Metric]:
    metrics = _DayMetrics("streamtop_scope_", "scope", "scope", by_protocol=False)
    for day in snapshot.days:
        for label, figures in _folded(day.scopes, scopes, ScopeTime, ScopeTime.add).items():
            connections, _, _, view_time_ms = figures.sums
            metrics.connections.add_metric([day.label, label], connections)
            metrics.add(day.label, label, _by_direction(figures), view_time_ms)
            metrics.add_peak(day.label, label, "in", highest_minute_bps(figures.minutes_in))
            metrics.add_peak(day.label, label, "out", highest_minute_bps(figures.minutes_out))
            metrics.add_covered(day.label, label, _covered_by(day, figures.servers))
        rest = _rest(day)
        metrics.connections.add_metric([day.label, NOT_BY_STREAM], rest["connections"])
        metrics.add(day.label, NOT_BY_STREAM, _sums_by_direction(rest), rest["view_time_ms"])
    publishes = GaugeMetricFamily("streamtop_scope_publishes", "Live publishes by scope", labels=["scope"])
    subscribers = GaugeMetricFamily("streamtop_scope_subscribers", "Present subscribers by scope", labels=["scope"])
    for label, (published, watching) in _folded_counts(snapshot.present.scopes, scopes).items():
        publishes.add_metric([label], published)
        subscribers.add_metric([label], watching)
    return [*metrics.families(), publishes, subscribers]


def _present_families(snapshot: EstateSnapshot, servers: Labels) -> Iterable[Metric]:
    publishes = GaugeMetricFamily("streamtop_publishes", "Live publishes", labels=["server"])
    counts = {server: (count,) for server, count in snapshot.present.publishes.items()}
    for label, (count,) in _folded_counts(counts, servers).items():
        publishes.add_metric([label], count)
    connections = GaugeMetricFamily(
        "streamtop_open_connections",
        "Open connections, where the agent knows them one by one",
        labels=["server", "protocol"],
    )
    by_protocol: dict[tuple[str, str], int] = {}
    for server, protocols in snapshot.present.viewers.items():
        for protocol, count in protocols.items():
            key = servers.of(server), label_value(protocol)
            by_protocol[key] = by_protocol.get(key, 0) + count
    for key, count in by_protocol.items():
        connections.add_metric(list(key), count)
    synced = GaugeMetricFamily(
        "streamtop_last_sync_timestamp_seconds",
        "Time of the last report; of other servers, the oldest",
        labels=["server"],
    )
    for label, at_ms in _folded(snapshot.last_sync_ms, servers, None, min).items():
        synced.add_metric([label], at_ms / 1000)
    return [publishes, connections, synced]


def _folded(
    figures: Mapping[str, Value],
    labels: Labels,
    new: Callable[[], Value] | None,
    fold: Callable[[Value, Value], object],
) -> dict[str, Value]:
    """Return figures by label. Those that share a label are folded into a new value; without `new`, `fold`
    returns the folded value.
    """
    found: dict[str, Value] = {}
    owned: set[str] = set()
    for name, figure in figures.items():
        label = labels.of(name)
        if label not in found:
            found[label] = figure
            continue
        if new is None:
            found[label] = fold(found[label], figure)  # type: ignore[assignment]
            continue
        if label not in owned:  # the first one belongs to the snapshot, which is reused
            first, found[label] = found[label], new()
            fold(found[label], first)
            owned.add(label)
        fold(found[label], figure)
    return found


def _folded_counts(counts: Mapping[str, tuple[int, ...]], labels: Labels) -> dict[str, tuple[int, ...]]:
    return _folded(counts, labels, None, lambda first, other: tuple(map(int.__add__, first, other)))


def _covered_by(day: EstateDay, carriers: Iterable[str]) -> dict[Provenance, int]:
    """Return the coverage of all servers that carried a scope, added up."""
    found = dict.fromkeys(Provenance, 0)
    for server in carriers:
        if server in day.servers:
            for state, length in day.servers[server].covered_ms.items():
                found[state] += length
    return found


def _rest(day: EstateDay) -> dict[str, int]:
    """Return what the streams leave of the servers' figures."""
    rest = dict.fromkeys(STREAM_SUM_NAMES, 0)
    for figures in day.servers.values():
        rest["connections"] += sum(figures.connections.values())
        for name, count in figures.sums.items():
            rest[name] += count
    for scope in day.scopes.values():
        for name, count in zip(STREAM_SUM_NAMES, scope.sums, strict=True):
            rest[name] -= count
    return rest


def _by_direction(figures: ScopeTime) -> dict[str, int]:
    return _sums_by_direction(dict(zip(STREAM_SUM_NAMES, figures.sums, strict=True)))


def _sums_by_direction(sums: Mapping[str, int]) -> dict[str, int]:
    return {direction: sums[name] for direction, name in _DIRECTIONS}


def _by_label(name: str, what: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=["kind"])
    for label, value in values.items():
        family.add_metric([label], value)
    return family


def _gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=value)

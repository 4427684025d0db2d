"""Metrics of the store's present content: how complete the servers' figures are, and what waits for an operator."""

from typing import Any

from msgspec import UNSET
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import Connection, case, func, select

from streamusage.api.disagreements import SIDES
from streamusage.api.extension import ServerStatus
from streamusage.service.accounting.disagreements import count_open
from streamusage.service.metrics.labels import Labels
from streamusage.service.queries.coverage import list_servers
from streamusage.service.store.schema import held, orphans, report_parts, servers, voids


def store_metrics(connection: Connection, now_ms: int, most_servers: int) -> list[GaugeMetricFamily]:
    """Return the metrics of the store's present content, with series of their own for that many servers."""
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
    present = sorted(
        (server for server in estate if server.state != "removed"),
        key=lambda server: (now_ms if server.since is None else server.since, server.server),
    )
    labels = Labels([server.server for server in present], most_servers)
    active: dict[str, int] = {}
    lags: dict[str, int] = {}
    failing: dict[str, bool] = {}
    for server in present:
        label = labels.of(server.server)
        if server.watermark is not None or not server.is_unread:
            active[label] = active.get(label, 0) + server.active_subscribers
        lags[label] = max(lags.get(label, 0), now_ms - _accounted_to(server, now_ms))
        failing[label] = failing.get(label, False) or server.is_unread
    for label, watching in active.items():
        subscribers.add_metric([label], watching)
    for label, lag_ms in lags.items():
        lag.add_metric([label], lag_ms / 1000)
    for label, is_failing in failing.items():
        unread.add_metric([label], int(is_failing))
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


def _single_gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=value)


def _count(connection: Connection, table: Any, *where: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())

"""The service's side of the comparison: figures by day and group, whatever the groups are. Pure.

Figures of servers come from `/api/v1/daily`, those of streams, scopes and customers from `/api/v1/daily/sums`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from msgspec import UNSET

from streamusage.api.daily import CoveredTime, DailyStatistics, SummedStatistics
from streamusage.api.extension import CoverageSpan, ServerCoverage
from streamusage.core.coverage import Provenance
from streamusage.core.figures import NOT_BY_STREAM, StreamTraffic, least_exact
from tui.reconcile.account import DayKey
from tui.reconcile.entries import Grouping, Measure

UNCOUNTED = (Provenance.LOST, Provenance.MISSING, Provenance.HELD)
"""In these states nothing of the time is in the figures."""


class ServiceFigures(NamedTuple):
    """The service's figures of one group on one day."""

    day: date
    group: str
    """Name of a server, stream, scope or customer; empty for the total."""
    figures: Mapping[str, int]
    """Figures by the names of `streamusage.core.figures`. For a closed day, those at its closing."""
    later: Mapping[str, int]
    """What arrived after the closing, by the same names."""
    coverage: CoveredTime
    """Summed over the servers."""
    servers: tuple[str, ...] = ()
    """The servers that the figures are of, or may be of if they are of streams, in alphabetical order."""
    is_final: bool = True
    traffic: StreamTraffic | None = None
    """How the bytes of streams are known; None for servers, and for what is not by stream."""
    covered_servers: int = 1
    """How many servers the coverage is of."""

    def value(self, measure: Measure) -> int:
        """Return a figure."""
        return self.figures[measure.value]

    def later_value(self, measure: Measure) -> int:
        """Return what arrived after the closing."""
        return self.later.get(measure.value, 0)


class ServiceSide(NamedTuple):
    """All figures of the service that are compared."""

    rows: Mapping[DayKey, ServiceFigures]
    spans: Mapping[str, Sequence[CoverageSpan]] | None = None
    """Time of each server that is not live; None where only its length is known."""
    name: str = ""
    """Which servers the total is of."""
    is_of_streams: bool = False
    """Whether the groups have streams: a server that was away may have carried one of them unseen."""


def figures_of_servers(days: Iterable[DailyStatistics], grouping: Grouping) -> dict[DayKey, ServiceFigures]:
    """Return the figures of servers by day: of each, or summed for the total."""
    rows: dict[DayKey, ServiceFigures] = {}
    for day in sorted(days, key=lambda row: (row.day, row.server)):
        key = date.fromisoformat(day.day), day.server if grouping is Grouping.SERVER else ""
        row = ServiceFigures(
            *key,
            figures={measure.value: getattr(day, measure.value) for measure in Measure},
            later={}
            if day.adjustment is None
            else {name.value: getattr(day.adjustment, name.value) for name in Measure},
            coverage=day.coverage,
            servers=(day.server,),
            is_final=day.state != "provisional",
        )
        rows[key] = _added(rows[key], row) if key in rows else row
    return rows


def figures_of_streams(
    sums: Iterable[SummedStatistics], grouping: Grouping, servers: Sequence[str]
) -> dict[DayKey, ServiceFigures]:
    """Return sums of days by stream, scope or customer. Those of one group, from several servers, are added up.

    `servers` may have carried the streams.
    """
    rows: dict[DayKey, ServiceFigures] = {}
    for found in sums:
        is_stream = found.traffic is not UNSET
        # A publisher may call a scope as the service calls what is not by stream.
        group = f"{grouping.value} {found.group}" if is_stream and found.group == NOT_BY_STREAM else found.group
        row = ServiceFigures(
            date.fromisoformat(found.period),
            group,
            figures={measure.value: getattr(found, measure.value) for measure in Measure},
            later={}
            if found.adjustment is None
            else {name.value: getattr(found.adjustment, name.value) for name in Measure},
            coverage=found.coverage,
            servers=tuple(sorted(servers)),
            is_final=found.state != "provisional",
            traffic=None if found.traffic is UNSET else found.traffic,
            covered_servers=found.servers,
        )
        key = row.day, group
        rows[key] = _added(rows[key], row) if key in rows else row
    return rows


def _added(first: ServiceFigures, second: ServiceFigures) -> ServiceFigures:
    return first._replace(
        figures=_sums(first.figures, second.figures),
        later=_sums(first.later, second.later),
        coverage=CoveredTime(
            **{
                name: getattr(first.coverage, name) + getattr(second.coverage, name)
                for name in CoveredTime.__struct_fields__
            }
        ),
        servers=tuple(sorted({*first.servers, *second.servers})),
        is_final=first.is_final and second.is_final,
        traffic=_least_exact(first.traffic, second.traffic),
        covered_servers=first.covered_servers + second.covered_servers,
    )


def _least_exact(first: StreamTraffic | None, second: StreamTraffic | None) -> StreamTraffic | None:
    if first is None or second is None:
        return first or second
    return least_exact(first, second)


def _sums(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in sorted({*first, *second})}


def spans_of_servers(coverage: Iterable[ServerCoverage]) -> dict[str, Sequence[CoverageSpan]]:
    """Return the time of each server of which something is or may be left out."""
    left_out = {*UNCOUNTED, Provenance.PARTIAL}
    return {known.server: [span for span in known.spans if span.state in left_out] for known in coverage}

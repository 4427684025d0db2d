"""A row of sums of daily statistics: days of a group, added one after the other.

Counts, traffic and view time add up. A peak is the highest of its days. The percentile is taken of the five-minute
samples of the whole row.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import UNSET

from streamusage.api.daily import (
    BackfilledPart,
    CoveredTime,
    DailyStatistics,
    DayState,
    SummedStatistics,
    VoidEntry,
    summarize_voids,
)
from streamusage.core.figures import SUM_NAMES, StreamTraffic, least_exact
from streamusage.service.rules.combined_traffic import CombinedTraffic
from streamusage.service.rules.percentile import HighestSamples, percentile_from
from streamusage.service.rules.rollups import RollupPeak, higher_peak

_WORST_FIRST: tuple[DayState, ...] = ("provisional", "adjusted", "final")


class GroupDay(NamedTuple):
    """What a group adds to a row in one day."""

    servers: Sequence[DailyStatistics]
    """The days of the servers that carried the group: their states, coverage and void closings are the group's."""
    sums: Mapping[str, int]
    backfilled: Mapping[str, int]
    by_protocol: Mapping[str, int]
    adjustment: Mapping[str, int] | None
    traffic: StreamTraffic | None
    """How the bytes of streams are known; `None` for servers, and for what is not by stream."""
    combined: CombinedTraffic


class SumRow:
    """A sum under construction."""

    def __init__(self, period: str, group: str, longest_days: int) -> None:
        """Begin a row of at most this many days."""
        self._period, self._group = period, group
        self._days: list[date] = []
        self._servers: set[str] = set()
        self._states: set[DayState] = set()
        self._waiting_for: set[str] = set()
        self._sums = dict.fromkeys(SUM_NAMES, 0)
        self._by_protocol: dict[str, int] = {}
        self._coverage = dict.fromkeys(CoveredTime.__struct_fields__, 0)
        self._backfilled = dict.fromkeys(SUM_NAMES, 0)
        self._adjustment: dict[str, int] | None = None
        self._traffic: StreamTraffic | None = None
        self._peak_in: RollupPeak | None = None
        self._peak_out: RollupPeak | None = None
        self._samples_in, self._samples_out = HighestSamples(longest_days), HighestSamples(longest_days)
        self._expected_samples = 0
        self._voids: list[VoidEntry] = []

    def add(self, day: date, part: GroupDay) -> None:
        """Add a day; days are added in order."""
        self._days.append(day)
        for statistics in part.servers:
            self._servers.add(statistics.server)
            self._states.add(statistics.state)
            self._waiting_for.update(statistics.waiting_for)
            self._voids += statistics.voids or ()
            add_fields(self._coverage, statistics.coverage)
        _add(self._sums, part.sums)
        _add(self._backfilled, part.backfilled)
        for protocol, count in part.by_protocol.items():
            self._by_protocol[protocol] = self._by_protocol.get(protocol, 0) + count
        if part.adjustment is not None:
            self._adjustment = self._adjustment or dict.fromkeys(SUM_NAMES, 0)
            _add(self._adjustment, part.adjustment)
        if part.traffic is not None:
            self._traffic = part.traffic if self._traffic is None else least_exact(self._traffic, part.traffic)
        combined = part.combined
        self._peak_in = higher_peak(self._peak_in, combined.peak_in)
        self._peak_out = higher_peak(self._peak_out, combined.peak_out)
        self._samples_in.add(combined.samples_in)
        self._samples_out.add(combined.samples_out)
        self._expected_samples += combined.expected

    def total(self, tz: ZoneInfo) -> SummedStatistics:
        """Return the sum of the days added."""
        connections = self._sums["connections"]
        return SummedStatistics(
            group=self._group,
            period=self._period,
            first_day=min(self._days).isoformat(),
            last_day=max(self._days).isoformat(),
            tz=tz.key,
            state=next(state for state in _WORST_FIRST if state in self._states),
            days=len(self._days),
            servers=len(self._servers),
            **self._sums,
            connections_by_protocol=dict(sorted(self._by_protocol.items())),
            peak_in_bps=self._peak_in[0] if self._peak_in else 0,
            peak_in_at=self._peak_in[1] if self._peak_in else None,
            peak_out_bps=self._peak_out[0] if self._peak_out else 0,
            peak_out_at=self._peak_out[1] if self._peak_out else None,
            average_view_time_ms=self._sums["view_time_ms"] // connections if connections else None,
            percentile_95=percentile_from(self._samples_in, self._samples_out, self._expected_samples),
            coverage=CoveredTime(**self._coverage),
            backfilled=BackfilledPart(**self._backfilled),
            adjustment=None if self._adjustment is None else BackfilledPart(**self._adjustment),
            waiting_for=sorted(self._waiting_for),
            voids=summarize_voids(self._voids) or UNSET,
            traffic=UNSET if self._traffic is None else self._traffic,
        )


def add_fields(sums: dict[str, int], more: object) -> None:
    """Add the fields of the same names."""
    for name in sums:
        sums[name] += getattr(more, name)


def sum_of_fields(names: Iterable[str], parts: Iterable[object]) -> dict[str, int]:
    """Return the sums of these fields of several objects."""
    sums = dict.fromkeys(names, 0)
    for part in parts:
        add_fields(sums, part)
    return sums


def _add(sums: dict[str, int], more: Mapping[str, int]) -> None:
    for name in sums:
        sums[name] += more[name]

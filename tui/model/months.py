"""Daily statistics of a month as rows: a day's servers added up, a role's, a server's, and the month. Pure.

Sums add; a peak over several servers is known only to be at least the highest of theirs, and is shown as that.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec

from streamusage.coverage import WORST_FIRST, Provenance
from streamusage.day_answers import BackfilledPart, CoveredTime, DailyStatistics
from tui.model import formats
from tui.model.accounts import WHOLE

_STATES = ("provisional", "adjusted", "final")
"""What a sum of days is called: the first of these that any of them is."""
_COVERED = tuple(CoveredTime.__struct_fields__)
_BACKFILLED = tuple(BackfilledPart.__struct_fields__)


@dataclass(frozen=True)
class Figures:
    """The five documented statistics of a server's day or of several together, and what they rest on."""

    name: str
    state: str
    servers: int
    connections: int
    connections_by_protocol: Mapping[str, int]
    bytes_in: int
    bytes_out: int
    peak_in_bps: int | None
    peak_out_bps: int | None
    peak_is_bound: bool
    """The peak is that of the highest server: together they may have reached more."""
    view_time_ms: int
    coverage: CoveredTime
    backfilled: BackfilledPart

    @property
    def due_ms(self) -> int:
        return sum(getattr(self.coverage, name) for name in _COVERED)

    @property
    def complete_ms(self) -> int:
        return sum(getattr(self.coverage, f"{state.value}_ms") for state in WHOLE)

    @property
    def is_complete(self) -> bool:
        return self.due_ms == self.complete_ms

    @property
    def worst(self) -> Provenance:
        """The state that an operator must hear of first."""
        return next((state for state in WORST_FIRST if getattr(self.coverage, f"{state.value}_ms")), Provenance.LIVE)

    def complete(self) -> str:
        return formats.percent(self.complete_ms, self.due_ms)

    def recovered(self) -> str:
        """Which part of the traffic out came after an outage."""
        return formats.percent(self.backfilled.bytes_out, self.bytes_out) if self.bytes_out else formats.UNKNOWN

    def average_view_time_ms(self) -> int | None:
        return self.view_time_ms // self.connections if self.connections else None

    def peak_out(self) -> str:
        if self.peak_out_bps is None:
            return formats.UNKNOWN
        return ("≥" if self.peak_is_bound else "") + formats.bandwidth(self.peak_out_bps)


def added(name: str, days: Sequence[DailyStatistics]) -> Figures:
    """Several servers' days as one; of one alone its own figures."""
    protocols: dict[str, int] = {}
    for day in days:
        for protocol, number in day.connections_by_protocol.items():
            protocols[protocol] = protocols.get(protocol, 0) + number
    return Figures(
        name=name,
        state=next((state for state in _STATES if any(day.state == state for day in days)), "provisional"),
        servers=len({day.server for day in days}),
        connections=sum(day.connections for day in days),
        connections_by_protocol=protocols,
        bytes_in=sum(day.bytes_in for day in days),
        bytes_out=sum(day.bytes_out for day in days),
        peak_in_bps=max((day.peak_in_bps for day in days if day.peak_in_bps is not None), default=None),
        peak_out_bps=max((day.peak_out_bps for day in days if day.peak_out_bps is not None), default=None),
        peak_is_bound=len({day.server for day in days}) > 1,
        view_time_ms=sum(day.view_time_ms for day in days),
        coverage=CoveredTime(**_sums(_COVERED, (day.coverage for day in days))),
        backfilled=BackfilledPart(**_sums(_BACKFILLED, (day.backfilled for day in days))),
    )


def _sums(names: Iterable[str], parts: Iterable[msgspec.Struct]) -> dict[str, int]:
    parts = list(parts)
    return {name: sum(getattr(part, name) for part in parts) for name in names}


@dataclass(frozen=True)
class Month:
    """The days of a month, or of one server in it, oldest first; only days in which a server ran."""

    first: date
    days: Mapping[date, Sequence[DailyStatistics]]

    @property
    def last(self) -> date:
        return last_of(self.first)

    def day_rows(self) -> list[tuple[date, Figures]]:
        """A row a day, all servers added up."""
        return [(day, added(f"{day:%a} {day.day:2}", servers)) for day, servers in sorted(self.days.items())]

    def total(self) -> Figures | None:
        """The month, all servers added up; `None` where no server ran in it."""
        every = [one for servers in self.days.values() for one in servers]
        return added("month", every) if every else None

    def rows_of(self, day: date | None, roles: Mapping[str, str]) -> list[Figures]:
        """The servers of a day, or of the whole month: sums by role where there are several, then each by itself."""
        chosen = self.days.get(day, ()) if day is not None else [one for every in self.days.values() for one in every]
        by_server: dict[str, list[DailyStatistics]] = {}
        by_role: dict[str, list[DailyStatistics]] = {}
        for one in chosen:
            by_server.setdefault(one.server, []).append(one)
            by_role.setdefault(roles.get(one.server, "gone"), []).append(one)
        groups = [added(f"all {role}", found) for role, found in sorted(by_role.items()) if len(by_role) > 1]
        return [*groups, *(added(server, found) for server, found in sorted(by_server.items()))]


def month_of(days: Iterable[DailyStatistics], first: date) -> Month:
    """The answers of a month by day."""
    by_day: dict[date, list[DailyStatistics]] = {}
    for one in days:
        by_day.setdefault(date.fromisoformat(one.day), []).append(one)
    return Month(first, by_day)


def first_of(day: date) -> date:
    return day.replace(day=1)


def last_of(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def months_away(first: date, months: int) -> date:
    """The first day of the month so many months later, or earlier."""
    for _ in range(abs(months)):
        first = first_of(last_of(first) + timedelta(days=1) if months > 0 else first - timedelta(days=1))
    return first


def split_in_words(figures: Figures) -> str:
    """`HLS 1,204, RTMP 290`, the most common first."""
    split = sorted(figures.connections_by_protocol.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{protocol.upper()} {formats.count(number)}" for protocol, number in split if number)


def coverage_in_words(figures: Figures) -> str:
    """`live 23 h 45 min, missing 15 min`, worst last."""
    parts = [
        f"{state.value} {formats.duration_in_words(length)}"
        for state in reversed(WORST_FIRST)
        if (length := getattr(figures.coverage, f"{state.value}_ms"))
    ]
    return ", ".join(parts)

"""Shapes of the billed figures: of gaps, and of accounting days as described in docs/daily.md.

Times are UTC milliseconds.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from streamusage.api.disagreements import Disagreement
from streamusage.api.report import ClockState
from streamusage.core.figures import StreamTraffic

DayState = Literal["provisional", "final", "adjusted"]
SumGroup = Literal["server", "role", "all", "stream", "scope", "customer"]
"""By what daily statistics are added up."""
STREAM_GROUPS: tuple[SumGroup, ...] = ("stream", "scope", "customer")
"""Groups of streams; all others are of servers."""


class CoveredTime(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a day has each provenance."""

    live_ms: int = 0
    backfilled_ms: int = 0
    partial_ms: int = 0
    missing_ms: int = 0
    lost_ms: int = 0
    held_ms: int = 0


class BackfilledPart(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a day's figures that was backfilled."""

    connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    view_time_ms: int = 0


class GapDelta(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Figures that a backfilled span added."""

    connections: int = 0
    connections_by_protocol: dict[str, int] = {}
    bytes_in: int = 0
    bytes_out: int = 0
    peak_in_bps: int | None = None
    peak_in_at: int | None = None
    peak_out_bps: int | None = None
    peak_out_at: int | None = None
    view_time_ms: int = 0


class Percentile(msgspec.Struct, frozen=True, kw_only=True):
    """95th percentile of bandwidth over five-minute averages, by nearest rank, and the number of samples."""

    in_bps: int | None = None
    out_bps: int | None = None
    sample_ms: int = 300_000
    samples: int = 0
    """Samples that are completely live or backfilled: only these count."""
    expected_samples: int = 0
    """Samples in which the server ran."""

    @property
    def rests_on_all(self) -> bool:
        """Whether every expected sample counts."""
        return self.samples == self.expected_samples


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """When and how a day was closed."""

    at: int
    by: str | None = None
    """Name of the token of the operator who closed it; `None` for the watermark."""
    rule: Literal["watermark", "operator", "late"]
    """`late`: the server was unknown when the day was closed, so that all its figures are an adjustment."""
    revision: int
    watermark: int | None = None
    """Watermark of the server when its day was closed."""


class VoidEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A closing that no longer counts, because a wrong clock caused it. It is kept, and the day is closed anew."""

    server: str
    day: str
    tz: str
    revision: int
    """Revision of the closing."""
    at: int
    """When the entry was made."""
    by: str
    """Name of the token of the operator who repaired the server."""
    reason: str
    closed: Closed
    figures: "DailyFigures"
    """Figures with which the day was closed."""


class VoidClosings(msgspec.Struct, frozen=True, kw_only=True):
    """How many closings of some days no longer count, and the newest of them."""

    closings: int
    server: str
    day: str
    revision: int
    at: int
    """When it was declared void."""
    by: str
    reason: str


class DailyFigures(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of a day, as they are stored when it is closed."""

    connections: int
    connections_by_protocol: dict[str, int]
    bytes_in: int
    bytes_out: int
    peak_in_bps: int | None
    peak_in_at: int | None
    peak_out_bps: int | None
    peak_out_at: int | None
    view_time_ms: int
    average_view_time_ms: int | float | None
    backfilled: BackfilledPart
    coverage: CoveredTime
    percentile_95: Percentile | None = None


class DayDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Change of the sums of a day after it was closed."""

    connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    view_time_ms: int = 0
    connections_by_protocol: dict[str, int] = {}


class CustomerDifference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of a change of a closed day that belongs to one customer."""

    customer: str | None
    """`None` for the streams of no customer."""
    connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    view_time_ms: int = 0


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """All changes of a closed day: the fields of `DayDifference`, and what they lead to."""

    entries: int
    """Number of entries in the ledger."""
    at: int
    """Time of the newest entry."""
    connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    view_time_ms: int = 0
    connections_by_protocol: dict[str, int] = {}
    figures: DailyFigures
    """Figures of the day with the adjustment, peaks and coverage included."""
    approved: DayDifference | UnsetType = UNSET
    """The part that is approved and billed as a correction; the rest is pending. Absent if nothing is approved."""


class DailyStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one server for one accounting day. `daily --format json` prints these fields.

    The figures of a closed day are those at its closing; later changes are in `adjustment`.
    """

    server: str
    day: str
    tz: str
    state: DayState
    connections: int
    connections_by_protocol: dict[str, int]
    bytes_in: int
    bytes_out: int
    peak_in_bps: int | None
    peak_in_at: int | None
    peak_out_bps: int | None
    peak_out_at: int | None
    view_time_ms: int
    average_view_time_ms: int | float | None
    backfilled: BackfilledPart
    coverage: CoveredTime
    percentile_95: Percentile | None = None
    closed: Closed | None = None
    """`None` for an open day, and in a zone whose days the service does not close."""
    adjustment: Adjustment | None = None
    waiting_for: list[str] = []
    """Servers whose figures an open day waits for."""
    voids: list[VoidEntry] | UnsetType = UNSET
    """Earlier closings of the day that no longer count. Absent if there are none."""
    disagreements: list[Disagreement] | UnsetType = UNSET
    """Hours that begin in the day and whose figures were counted in two ways and differ, as of now. Absent if there are
    none.
    """


class Daily(msgspec.Struct, frozen=True, kw_only=True):
    """Daily statistics of servers and days of one time zone."""

    now: int
    account_zones: list[str] = []
    """The zones whose days the service closes."""
    closed_to: int | None = None
    """Instant up to which every day of the requested zone is closed."""
    days: list[DailyStatistics]
    clock: ClockState = "trusted"
    """In doubt, nothing of this may be exported or signed."""


class SummedStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over a group of servers or streams for a day or a month.

    Streams have no connections by protocol, and their peaks are the highest minutes of their traffic.
    """

    group: str
    period: str
    """`2026-11-21` or `2026-11`."""
    first_day: str = msgspec.field(name="from")
    last_day: str = msgspec.field(name="to")
    tz: str
    state: DayState
    days: int
    servers: int
    connections: int
    connections_by_protocol: dict[str, int]
    bytes_in: int
    bytes_out: int
    peak_in_bps: int | None
    peak_in_at: int | None
    peak_out_bps: int | None
    peak_out_at: int | None
    view_time_ms: int
    average_view_time_ms: int | float | None
    percentile_95: Percentile
    coverage: CoveredTime
    backfilled: BackfilledPart
    adjustment: BackfilledPart | None = None
    """Adjustments of the closed days among them; not included in the figures."""
    waiting_for: list[str] = []
    voids: VoidClosings | UnsetType = UNSET
    """Earlier closings of these days that no longer count. Absent if there are none."""
    traffic: StreamTraffic | UnsetType = UNSET
    """How the bytes of streams are known, of several the least exact. Absent for servers, and for what is not by
    stream."""


def summarize_voids(entries: Sequence[VoidEntry]) -> VoidClosings | None:
    """Return how many closings are void, and the newest of them; `None` for none."""
    if not entries:
        return None
    newest = max(entries, key=lambda entry: (entry.at, entry.day, entry.server, entry.revision))
    return VoidClosings(
        closings=len(entries),
        server=newest.server,
        day=newest.day,
        revision=newest.revision,
        at=newest.at,
        by=newest.by,
        reason=newest.reason,
    )


class DailySums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of daily statistics."""

    now: int
    account_zones: list[str] = []
    sums: list[SummedStatistics]


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a closed day: the fields of `DayDifference`, and what they lead to."""

    server: str
    day: str
    tz: str
    entry: int
    at: int
    connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    view_time_ms: int = 0
    connections_by_protocol: dict[str, int] = {}
    figures: DailyFigures
    """Figures of the day with this and all earlier entries."""
    void_revision: int | UnsetType = UNSET
    """Revision of the closing that the entry adjusts if that is void: then the entry no longer counts either. Else
    absent."""


class Adjustments(msgspec.Struct, frozen=True, kw_only=True):
    """Ledger entries of closed days."""

    now: int
    adjustments: list[LedgerEntry]
    voids: list[VoidEntry] | UnsetType = UNSET
    """Closings of these days that no longer count. Absent if there are none."""


class CloseResult(msgspec.Struct, frozen=True, kw_only=True):
    """Result of closing a day."""

    now: int
    day: str
    tz: str
    closed: list[str]
    """Servers whose day this request closed."""
    owing: list[str] = []
    """Those of them that have not reported all figures of the day."""
    already_closed: int = 0

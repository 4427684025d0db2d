"""What the usage service answers about accounting days: the shapes of docs/daily.md. Times are UTC milliseconds."""

from typing import Literal

import msgspec

DayState = Literal["provisional", "final", "adjusted"]


class CoveredTime(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a day is accounted for, and how."""

    live_ms: int = 0
    backfilled_ms: int = 0
    partial_ms: int = 0
    missing_ms: int = 0
    lost_ms: int = 0
    held_ms: int = 0


class BackfilledPart(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a day's figures that came after an outage."""

    connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    view_time_ms: int = 0


class Percentile(msgspec.Struct, frozen=True, kw_only=True):
    """The 95th percentile of bandwidth over five-minute averages, nearest rank, and what it rests on."""

    in_bps: int | None = None
    out_bps: int | None = None
    sample_ms: int = 300_000
    samples: int = 0
    """Samples that were seen live or backfilled in full: only these count."""
    expected_samples: int = 0
    """Samples in which the server ran."""

    @property
    def rests_on_all(self) -> bool:
        return self.samples == self.expected_samples


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """When a day was closed and by what."""

    at: int
    by: str | None = None
    """The token's name of the operator who did; `None` for the watermark."""
    rule: Literal["watermark", "operator", "late"]
    """`late`: the server was not known when the day was closed, and all it brought is an adjustment."""
    revision: int
    watermark: int | None = None
    """The server's, when its day was closed."""


class DailyFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a day, whole."""

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
    coverage: CoveredTime
    backfilled: BackfilledPart
    percentile_95: Percentile | None = None


class DayDifference(msgspec.Struct, frozen=True, kw_only=True):
    """By how much the sums of a closed day moved after it was closed."""

    connections: int = 0
    connections_by_protocol: dict[str, int] = {}
    bytes_in: int = 0
    bytes_out: int = 0
    view_time_ms: int = 0


class Adjustment(DayDifference, frozen=True, kw_only=True):
    """All that came to a closed day later."""

    entries: int
    """Of the ledger."""
    at: int
    """The newest entry's time."""
    figures: DailyFigures
    """What the day comes to with it, peaks and coverage included."""


class DailyStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One server's figures of one accounting day. `msgspec.to_builtins` gives what `daily --format json` prints.

    A closed day's figures are those that it was closed with; what came later stands in `adjustment`.
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
    coverage: CoveredTime
    backfilled: BackfilledPart
    percentile_95: Percentile | None = None
    closed: Closed | None = None
    """`None` for a day that is open, and in a zone whose days the service does not close."""
    adjustment: Adjustment | None = None
    waiting_for: list[str] = []
    """The servers whose figures an open day waits for."""


class Daily(msgspec.Struct, frozen=True, kw_only=True):
    now: int
    account_zones: list[str] = []
    """The zones whose days the service closes."""
    closed_to: int | None = None
    """Up to when every day of the zone that was asked for is closed."""
    days: list[DailyStatistics]


class SummedStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """The days of a group of servers added up, for a day or a month."""

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
    """What came later to the closed days among them; not in the figures."""
    waiting_for: list[str] = []


class DailySums(msgspec.Struct, frozen=True, kw_only=True):
    now: int
    account_zones: list[str] = []
    sums: list[SummedStatistics]


class LedgerEntry(DayDifference, frozen=True, kw_only=True):
    """One arrival in a closed day."""

    server: str
    day: str
    tz: str
    entry: int
    at: int
    figures: DailyFigures
    """What the day comes to from then on."""


class Adjustments(msgspec.Struct, frozen=True, kw_only=True):
    now: int
    adjustments: list[LedgerEntry]


class CloseResult(msgspec.Struct, frozen=True, kw_only=True):
    now: int
    day: str
    tz: str
    closed: list[str]
    """The servers whose day was closed just now."""
    owing: list[str] = []
    """Those among them that still owe figures of the day."""
    already_closed: int = 0

"""Messages about what opened views show: coverage, days, alerts, details of gaps, the history of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from streamusage.api.alerts import AlertList, Silence
    from streamusage.api.daily import DailyStatistics
    from streamusage.api.extension import Coverage, History, Placements
    from streamusage.core.usage import SessionKey
    from tui.model.daily.groups import GroupRequest, GroupRows
    from tui.model.daily.months import DayRows, Month
    from tui.model.gaps.gap_timeline import GapFigures


@dataclass
class CoveragePolled(Message):
    """Coverage for the gap view."""

    coverage: Coverage
    carriers: Placements | None
    """Which server carried which stream; `None` where that was not requested."""
    service: str = ""
    """The service that answered, where there are several."""


@dataclass
class DayPolled(Message):
    """One server's day; `statistics` is `None` where the service has none."""

    server: str
    day: date
    statistics: DailyStatistics | None


@dataclass
class MonthPolled(Message):
    """A month's daily statistics, or why they could not be fetched."""

    first: date
    month: Month | str


@dataclass
class DayRowsPolled(Message):
    """The roles and servers of a day, or why they could not be fetched."""

    day: date
    rows: DayRows | str


@dataclass
class GroupsPolled(Message):
    """The sums by stream, scope or customer of a day or a month, or why they could not be fetched."""

    request: GroupRequest
    rows: GroupRows | str


@dataclass
class GapDetailsFetched(Message):
    """What an opened gap shows beside its span, or why it could not be fetched."""

    row: str
    from_ms: int
    figures: GapFigures | str


@dataclass
class AlertsPolled(Message):
    """The alerts of a service, or why they could not be fetched."""

    alerts: AlertList | str
    silences: Sequence[Silence] = ()
    """Those in force."""
    service: str = ""
    """The service that answered, where there are several."""


@dataclass
class HistoryPolled(Message):
    """The history of the subscribed stream, for the chart of one of its sessions."""

    key: SessionKey
    history: History


@dataclass
class HistoryMissing(Message):
    """There is no history of the subscribed stream, and why."""

    key: SessionKey
    why: str

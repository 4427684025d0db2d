"""Messages from the poller and the fetcher to the console. Only the app's handlers act on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from streamusage.api.daily import DailyStatistics
    from streamusage.api.extension import Coverage, History, Placements, ServerStatus, ServiceClock, Trends
    from streamusage.client.schema_drift import SchemaDrift
    from streamusage.core.usage import SessionKey
    from tui.model.daily.groups import GroupRequest, GroupRows
    from tui.model.daily.months import DayRows, Month
    from tui.model.failure_page import FailedRequest
    from tui.model.gaps.gap_timeline import GapFigures
    from tui.model.latency import Split
    from tui.model.sessions.store import Session


@dataclass
class SessionsPolled(Message):
    """A poll succeeded."""

    changed: Sequence[Session]
    removed: list[SessionKey]
    reset: bool
    """Every session that is not in `changed` is gone."""
    now_ms: int | None
    """The service's clock; `None` where the answer has none."""
    servers: list[ServerStatus] | None
    """`None` from a plain Stream Manager."""
    cannot_show: str
    """What a plain Stream Manager does not offer, as text; empty for our own service."""
    drift: SchemaDrift | None = None
    """`None` where the poll brought no record."""
    split: Split | None = None
    """Where the poll's time went, as far as it is known by now."""
    clock: ServiceClock | None = None
    """The service's own clock; `None` where the answer has none."""
    knows_live: bool = True
    """False where no live list can be read: nobody knows which sessions are on air."""
    service: str = ""
    """The service that answered, where there are several."""


@dataclass
class PollFailed(Message):
    """A poll failed; what was known before is still shown."""

    why: str
    refused: bool
    retry_in_ms: int | None
    """`None` where only the operator tries again: the service refused the token."""
    request: FailedRequest | None = None
    """What failed, for the page of an error; `None` in a recording."""


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
class TrendsPolled(Message):
    """The trends of all streams that are on air."""

    trends: Trends


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

"""What the poller and the deleter tell the console. Only handlers on the console's side act on it."""

from dataclasses import dataclass
from datetime import date

from textual.message import Message

from streamusage.api.daily import DailyStatistics
from streamusage.api.extension import Coverage, History, Placements, ServerStatus, Trends
from streamusage.client.schema_drift import SchemaDrift
from streamusage.core.usage import SessionKey
from tui.deletion.execute import Outcome
from tui.model.daily.months import DayRows, Month
from tui.model.gaps.gap_timeline import GapFigures
from tui.model.latency import Split
from tui.model.sessions.store import Session


@dataclass
class SessionsPolled(Message):
    """A poll succeeded."""

    changed: list[Session]
    removed: list[SessionKey]
    reset: bool
    """Whatever is not in `changed` is gone."""
    now_ms: int | None
    """The service's clock; `None` where it does not say."""
    servers: list[ServerStatus] | None
    """`None` from a plain Stream Manager."""
    cannot_show: str
    """What a plain Stream Manager keeps back, in words; empty for our own service."""
    drift: SchemaDrift | None = None
    """`None` where no record came to look at."""
    split: Split | None = None
    """Where the poll's time went, as far as it is known by now."""


@dataclass
class PollFailed(Message):
    """A poll failed; what was known before still stands."""

    why: str
    refused: bool
    retry_in_ms: int


@dataclass
class CoveragePolled(Message):
    """The coverage that the gap view asked for."""

    coverage: Coverage
    carriers: Placements | None
    """Which server carried which stream, where that was asked for."""


@dataclass
class DayPolled(Message):
    """One server's day was asked for; `statistics` is `None` where nothing could be told of it."""

    server: str
    day: date
    statistics: DailyStatistics | None


@dataclass
class MonthPolled(Message):
    """A month's daily statistics were asked for; what came, or why nothing did."""

    first: date
    month: Month | str


@dataclass
class DayRowsPolled(Message):
    """The roles and servers of a day were asked for; what came, or why nothing did."""

    day: date
    rows: DayRows | str


@dataclass
class GapRead(Message):
    """What an opened gap shows beside its span, or why it could not be read."""

    row: str
    from_ms: int
    figures: GapFigures | str


@dataclass
class TrendsPolled(Message):
    """The trends of all live streams."""

    trends: Trends


@dataclass
class HistoryPolled(Message):
    """The history of the stream that is looked at, for the chart of one of its sessions."""

    key: SessionKey
    history: History


@dataclass
class HistoryMissing(Message):
    """There is no history of the stream to be had, and why."""

    key: SessionKey
    why: str


@dataclass
class DeleteFinished(Message):
    """Deletes were sent; what came of each."""

    outcome: Outcome

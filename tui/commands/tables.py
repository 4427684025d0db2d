"""Tables of usage records and gaps: columns of the table and fields of the CSV. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from streamusage.api.daily import GapDelta
from streamusage.api.extension import Outage, ServerCoverage, SessionRecord
from streamusage.api.report import AgentPhase
from streamusage.core.coverage import INCOMPLETE, Provenance
from streamusage.core.figures import FIGURES, Combination, Figure
from streamusage.core.usage import RECORD_FIELDS, RECORD_TIMES, PartialUsageRecord, UsageRecord
from tui.commands.streams import format_stream_name
from tui.model import formats
from tui.model.formats import UNKNOWN
from tui.model.gaps.outages import outages_of
from tui.output import CsvField, TableColumn, View, same_named

_PEAK_TIMES = {figure.time_name for figure in FIGURES if figure.combination is Combination.PEAK}
PHASES: tuple[AgentPhase, ...] = ("retrying", "accumulating", "recovering", "online")


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A span of a server as `streamtop gaps` prints it."""

    server: str
    from_ms: int = msgspec.field(name="from")
    to_ms: int = msgspec.field(name="to")
    state: Provenance
    detected_at: int | None
    filled_at: int | None
    reason: str | None
    delta: GapDelta | None
    """The figures that a backfill recovered."""
    outages: list[Outage]
    """The failed syncs in the gap that the server's agent reported."""

    @property
    def failed_attempts(self) -> int | None:
        """Number of failed syncs; `None` if the agent reported none or has not reported yet."""
        return sum(outage.failed_attempts for outage in self.outages) if self.outages else None


def gaps_of(servers: Iterable[ServerCoverage], *, with_live: bool) -> list[Gap]:
    """Return the spans of all servers in one list; live spans only if requested."""
    return [
        Gap(
            server=server.server,
            from_ms=span.from_ms,
            to_ms=span.to_ms,
            state=span.state,
            detected_at=span.detected_at,
            filled_at=span.filled_at,
            reason=span.reason,
            delta=span.delta,
            outages=[] if span.state is Provenance.LIVE else outages_of(span, server.outages),
        )
        for server in servers
        for span in server.spans
        if with_live or span.state is not Provenance.LIVE
    ]


RECORD_CSV_FIELDS: Sequence[CsvField[Any]] = tuple(
    CsvField(documented, attrgetter(name), name in RECORD_TIMES) for documented, name in RECORD_FIELDS.items()
)
"""Fields of a usage record by documented name, in the documented order."""


def session_view(tz: ZoneInfo) -> View[PartialUsageRecord]:
    """Return the view of sessions; JSON and CSV have the documented names and order, then state and provenance."""
    return View(
        document=_session_document,
        columns=[
            TableColumn("STREAM", lambda record: format_stream_name(record.stream)),
            TableColumn("STATE", _state),
            TableColumn("DATA", _provenance),
            TableColumn(f"STARTED ({tz.key})", lambda record: time_text(record.start_time, tz)),
            TableColumn("DURATION", lambda record: formats.duration(record.duration), figure=True),
            TableColumn("ACTIVE", _active, figure=True),
            TableColumn("PEAK", lambda record: formats.count(record.max_subscribers), figure=True),
            TableColumn("LOST", lambda record: formats.count(record.lost_subscribers), figure=True),
            TableColumn("TOTAL", lambda record: formats.count(record.total_subscribers), figure=True),
            TableColumn("START TIME", lambda record: str(record.start_time or UNKNOWN), figure=True),
        ],
        fields=[
            *RECORD_CSV_FIELDS,
            CsvField("live", lambda record: _ours(record).get("live")),
            CsvField("provenance", lambda record: _ours(record).get("provenance")),
            CsvField("lowerBound", lambda record: _ours(record).get("lowerBound")),
        ],
    )


def _session_document(record: PartialUsageRecord) -> object:
    """Return a session as JSON has it. Only our own service knows state and provenance."""
    if not isinstance(record, SessionRecord):
        return record
    return msgspec.to_builtins(documented(record)) | _ours(record)


def _ours(record: PartialUsageRecord) -> dict[str, bool | str]:
    """Return what only our own service knows of a session: nothing from a plain Stream Manager."""
    if not isinstance(record, SessionRecord):
        return {}
    is_lower_bound = not record.imported and record.provenance in INCOMPLETE
    return {"live": record.live, "provenance": record.provenance_name, "lowerBound": is_lower_bound}


def gap_view(shown: Iterable[Gap], tz: ZoneInfo) -> View[Gap]:
    """Return the view of gaps, oldest of a server first. Protocols become the last columns of the CSV, in order."""
    protocols = sorted({name for gap in shown if gap.delta for name in gap.delta.connections_by_protocol})
    return View(
        document=_gap_document,
        columns=[
            TableColumn("SERVER", lambda gap: gap.server),
            TableColumn(f"FROM ({tz.key})", lambda gap: time_text(gap.from_ms, tz)),
            TableColumn("LENGTH", lambda gap: formats.duration(gap.to_ms - gap.from_ms), figure=True),
            TableColumn("STATE", lambda gap: gap.state),
            TableColumn("FILLED AFTER", _filled_after, figure=True),
            TableColumn("ATTEMPTS", lambda gap: _known(gap.failed_attempts, formats.count), figure=True),
            *(
                TableColumn(figure.heading, _shown_of_gap(figure), figure=True)
                for figure in FIGURES
                if figure.name != "peak_in_bps"  # would not fit beside the reason
            ),
            TableColumn("REASON", lambda gap: gap.reason or ""),
        ],
        fields=[
            CsvField("server", lambda gap: gap.server),
            CsvField("from", lambda gap: gap.from_ms, is_time=True),
            CsvField("to", lambda gap: gap.to_ms, is_time=True),
            CsvField("state", lambda gap: gap.state.value),
            *same_named("detected_at", "filled_at", is_time=True),
            *same_named("reason"),
            *(CsvField(f"delta_{figure.name}", _recovered(figure.name)) for figure in FIGURES),
            CsvField("failed_attempts", lambda gap: gap.failed_attempts),
            *(CsvField(f"{phase}_at", _phase_at(phase), is_time=True) for phase in PHASES),
            *(CsvField(f"delta_connections_by_protocol_{name}", _gap_protocol(name)) for name in protocols),
        ],
    )


def _gap_document(gap: Gap) -> Any:
    """Return a gap as JSON has it: the recovered figures without the times of peaks."""
    document = msgspec.to_builtins(gap)
    if document["delta"] is not None:
        document["delta"] = {name: value for name, value in document["delta"].items() if name not in _PEAK_TIMES}
    return document


def _recovered(name: str) -> Callable[[Gap], int | None]:
    """Return the reader of a recovered figure: `None` before the gap is backfilled."""
    return lambda gap: None if gap.delta is None else getattr(gap.delta, name)


def _gap_protocol(protocol: str) -> Callable[[Gap], int | None]:
    return lambda gap: None if gap.delta is None else gap.delta.connections_by_protocol.get(protocol, 0)


def _phase_at(phase: AgentPhase) -> Callable[[Gap], int | None]:
    def first(gap: Gap) -> int | None:
        times = [change.at for outage in gap.outages for change in outage.phases if change.phase == phase]
        return min(times, default=None)

    return first


def _known(figure: int | None, text: Callable[[int], str]) -> str:
    return UNKNOWN if figure is None else text(figure)


def _shown_of_gap(figure: Figure) -> Callable[[Gap], str]:
    recovered, text = _recovered(figure.name), formats.FORMAT_OF_UNIT[figure.unit]
    return lambda gap: _known(recovered(gap), text)


def _filled_after(gap: Gap) -> str:
    return UNKNOWN if gap.filled_at is None else formats.duration(max(0, gap.filled_at - gap.to_ms))


def time_text(at_ms: int, tz: ZoneInfo) -> str:
    """Return `2026-11-21 12:03:04` in the zone, the number itself outside the calendar, and `–` for an unknown time.

    A time that the zone's clock shows twice has its offset: `2026-10-25 02:30:00+02`.
    """
    if not at_ms:
        return UNKNOWN
    try:
        day = f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(tz):%Y-%m-%d}"
        return f"{day} {formats.clock_time(at_ms, tz, seconds=True)}"
    except (ValueError, OverflowError, OSError):
        return str(at_ms)


def documented(record: UsageRecord) -> UsageRecord:
    """Return the record with only the ten documented fields."""
    if type(record) is UsageRecord:
        return record
    return UsageRecord(**{name: getattr(record, name) for name in UsageRecord.__struct_fields__})


def _state(record: PartialUsageRecord) -> str:
    return UNKNOWN if not isinstance(record, SessionRecord) else "live" if record.live else "ended"


def _active(record: PartialUsageRecord) -> str:
    leaves_out = isinstance(record, SessionRecord) and record.leaves_out_server
    return (formats.lower_bound if leaves_out else formats.count)(record.active_subscribers)


def _provenance(record: PartialUsageRecord) -> str:
    return record.provenance_name if isinstance(record, SessionRecord) else UNKNOWN

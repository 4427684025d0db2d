"""Tables of usage records and gaps: their columns. Pure."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from streamusage.api.daily import GapDelta
from streamusage.api.extension import Outage, ServerCoverage, SessionRecord
from streamusage.api.report import AgentPhase
from streamusage.core.coverage import INCOMPLETE, Provenance
from streamusage.core.figures import FIGURES, Combination, Figure
from streamusage.core.usage import RECORD_FIELDS, PartialUsageRecord, UsageRecord
from tui.commands.streams import format_stream_name
from tui.model import formats
from tui.model.formats import UNKNOWN
from tui.model.gaps.outages import outages_of
from tui.output import ListColumn, View, attributes

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


RECORD_COLUMNS: Sequence[ListColumn[Any]] = (
    ListColumn("name", attrgetter("name"), shrinks=True),
    ListColumn("scope", attrgetter("scope"), shrinks=True),
    ListColumn("startTime", attrgetter("start_time"), "STARTED", is_time=True),
    ListColumn("endTime", attrgetter("end_time"), "ENDED", is_time=True),
    ListColumn(
        "duration", attrgetter("duration"), "DURATION", lambda record: formats.duration(record.duration), figure=True
    ),
    ListColumn(
        "aciveSubscribers",
        attrgetter("active_subscribers"),
        "ACTIVE",
        lambda record: _active(record),
        figure=True,
    ),
    *(
        ListColumn[Any](
            f"{name}Subscribers",
            attrgetter(f"{name}_subscribers"),
            title,
            lambda record, name=name: formats.count(getattr(record, f"{name}_subscribers")),  # type: ignore[misc]
            figure=True,
        )
        for name, title in (("max", "PEAK"), ("lost", "LOST"), ("total", "TOTAL"))
    ),
    ListColumn("updated", attrgetter("updated"), "UPDATED", is_time=True),
)
"""The fields of a usage record by documented name, in the documented order."""

STREAM_COLUMN: ListColumn[Any] = ListColumn(
    "stream", lambda record: format_stream_name(record.stream), "STREAM", shrinks=True
)
"""The stream as `streamtop rm` takes it."""


def session_view(tz: ZoneInfo) -> View[PartialUsageRecord]:
    """Return the view of sessions; JSON and CSV have the documented names and order, then state and provenance."""
    return View(
        tz=tz,
        document=_session_document,
        columns=[
            STREAM_COLUMN,
            ListColumn("state", _state, "STATE"),
            ListColumn("data", _provenance, "DATA"),
            *RECORD_COLUMNS,
            ListColumn("live", lambda record: _ours(record).get("live")),
            ListColumn("provenance", lambda record: _ours(record).get("provenance")),
            ListColumn("lowerBound", lambda record: _ours(record).get("lowerBound"), "LOWER BOUND"),
            ListColumn(
                "start_time",
                lambda record: record.start_time or None,
                "START TIME",
                lambda record: str(record.start_time or UNKNOWN),
                figure=True,
            ),
        ],
        table=(
            *("stream", "state", "data", "startTime", "duration", "aciveSubscribers", "maxSubscribers"),
            *("lostSubscribers", "totalSubscribers", "start_time"),
        ),
        csv=(*RECORD_FIELDS, "live", "provenance", "lowerBound"),
        narrow=("start_time", "data", "lostSubscribers", "startTime", "totalSubscribers"),
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
    deltas: list[ListColumn[Gap]] = [
        ListColumn(f"delta_{figure.name}", _recovered(figure.name), figure.heading, _shown_of_gap(figure), figure=True)
        for figure in FIGURES
    ]
    phases: list[ListColumn[Gap]] = [ListColumn(f"{phase}_at", _phase_at(phase), is_time=True) for phase in PHASES]
    by_protocol: list[ListColumn[Gap]] = [
        ListColumn(f"delta_connections_by_protocol_{name}", _gap_protocol(name), figure=True) for name in protocols
    ]
    columns: list[ListColumn[Gap]] = [
        *attributes("server"),
        ListColumn("from", attrgetter("from_ms"), is_time=True),
        ListColumn("to", attrgetter("to_ms"), is_time=True),
        ListColumn("length_ms", _length_ms, "LENGTH", lambda gap: formats.duration(_length_ms(gap)), figure=True),
        ListColumn("state", lambda gap: gap.state.value),
        *attributes("detected_at", "filled_at", is_time=True),
        ListColumn("filled_after_ms", _filled_after_ms, "FILLED AFTER", _filled_after, figure=True),
        *attributes("reason", shrinks=True),
        *deltas,
        ListColumn(
            "failed_attempts",
            attrgetter("failed_attempts"),
            "ATTEMPTS",
            lambda gap: _known(gap.failed_attempts, formats.count),
            figure=True,
        ),
        *phases,
        *by_protocol,
    ]
    return View(
        tz=tz,
        document=_gap_document,
        columns=columns,
        table=(
            *("server", "from", "length_ms", "state", "filled_after_ms", "failed_attempts"),
            *(
                column.name for column in deltas if column.name != "delta_peak_in_bps"
            ),  # would not fit beside the reason
            "reason",
        ),
        csv=(
            *("server", "from", "to", "state", "detected_at", "filled_at", "reason"),
            *(column.name for column in deltas),
            "failed_attempts",
            *(column.name for column in (*phases, *by_protocol)),
        ),
        narrow=(
            *("delta_peak_out_bps", "delta_view_time_ms", "delta_bytes_in", "failed_attempts", "filled_after_ms"),
            *("delta_bytes_out", "delta_connections"),
        ),
    )


def _length_ms(gap: Gap) -> int:
    return gap.to_ms - gap.from_ms


def _filled_after_ms(gap: Gap) -> int | None:
    return None if gap.filled_at is None else max(0, gap.filled_at - gap.to_ms)


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
    return _known(_filled_after_ms(gap), formats.duration)


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

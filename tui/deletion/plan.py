"""What a delete would do, frozen when it was requested. Pure.

The frozen keys are those that were on the screen; a session that starts later is not among them.
"""

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from itertools import starmap

from streamusage.core.usage import PartialUsageRecord, SessionKey, StreamId, UsageRecord
from tui.deletion.selection import STEP_ROWS, Selection
from tui.model import formats
from tui.model.sessions.session_columns import SessionColumns, SessionRows
from tui.model.text import sanitize, shortened

_MOST_NAMED = 6
"""Up to so many streams are listed by name in the dialog."""


class Radius(StrEnum):
    """How much is to be deleted. The wider, the more has to be typed."""

    SESSION = "one session"
    STREAM = "all sessions"
    MARKED = "the marked sessions"
    EVERYTHING = "everything"


@dataclass(frozen=True)
class DeletePlan:
    """The chosen sessions, and what is known of them."""

    radius: Radius
    host: str
    stream: StreamId | None
    """The stream, if all chosen sessions are of the same one."""
    sessions: SessionRows
    left_out: SessionRows
    """Sessions without a complete usage record: the journal could not keep them."""
    started: tuple[int, int]
    """When the oldest and the newest of the sessions started, UTC milliseconds."""
    stream_names: Collection[tuple[str, str]]
    """Scope and name of the streams of the sessions, each once; a few are in the order of their newest starts."""
    on_air: Sequence[int]
    """The rows of the sessions that are on air."""
    hidden: int
    """How many of the sessions the filter hides."""
    impossible_reason: str = ""
    """Why nothing can be deleted; empty where it can."""
    service: str = ""
    """The profile of the service where the console shows several."""

    @property
    def keys(self) -> tuple[SessionKey, ...]:
        """The frozen keys."""
        return tuple(map(self.sessions.columns.key, self.sessions.rows))

    @property
    def subject(self) -> str:
        """What is deleted, as an operator names it."""
        if self.stream is not None and self.radius in (Radius.SESSION, Radius.STREAM):
            return str(self.stream)
        return f"{_count_sessions(len(self.sessions))} of {_count_streams(len(self.stream_names))}"

    @property
    def streams(self) -> tuple[StreamId, ...]:
        """The streams of the sessions, each once."""
        return (self.stream,) if self.stream is not None else tuple(starmap(StreamId, self.stream_names))

    @property
    def to_type(self) -> str:
        """What must be typed to confirm; empty for nothing."""
        match self.radius:
            case Radius.SESSION:
                return ""
            case Radius.STREAM:
                return str(self.stream)
            case Radius.MARKED:
                return str(len(self.sessions)) if len(self.sessions) > 1 else ""
            case Radius.EVERYTHING:
                return self.service or self.host

    @property
    def place(self) -> str:
        """The service that the records are deleted from, as an operator names it."""
        return f"{sanitize(self.service)} ({self.host})" if self.service else self.host

    @property
    def typing_prompt(self) -> str:
        """The line above the field."""
        everything = "the service's name" if self.service else "the host"
        nouns = {Radius.STREAM: "the stream's name", Radius.MARKED: "their number", Radius.EVERYTHING: everything}
        return f"Type {nouns.get(self.radius, '')} to confirm: {sanitize(self.to_type)}"

    @property
    def watching(self) -> int:
        """How many connections watch them now."""
        return self.sessions.columns.watching(self.on_air)


def plan_steps(chosen: Selection, radius: Radius, host: str, service: str = "") -> Generator[None, None, DeletePlan]:
    """Return what is to be deleted. The sessions are frozen: no step depends on what was polled since."""
    columns, rows = chosen.columns, (yield from chosen.row_steps())
    deletable, left_out, on_air, starts = list[int](), list[int](), list[int](), list[int]()
    streams, of_deletable, hidden = dict[tuple[str, str], None](), dict[tuple[str, str], None](), 0
    for first in range(0, len(rows), STEP_ROWS):
        if first:
            yield
        part = rows[first : first + STEP_ROWS]
        found = columns.distinct_streams(part)
        whole, others = columns.whole_rows(part)
        if nameless := {stream for stream in found if not _has_full_name(*stream)}:
            named = [row for row in whole if (columns.scopes[row], columns.names[row]) not in nameless]
            others += [row for row in whole if (columns.scopes[row], columns.names[row]) in nameless]
            whole = named
        streams |= found
        of_deletable |= columns.distinct_streams(whole) if others else found
        deletable += whole
        left_out += others
        on_air += columns.live_rows(whole)[0]
        hidden += chosen.count_hidden(whole)
        if whole:
            starts += columns.started_between(whole)
    only = StreamId(*next(iter(streams))) if len(streams) == 1 else None
    reason = ""
    if only is not None and not _has_full_name(*only):
        reason = "It has no scope or no name, so it cannot be deleted alone."
    elif not deletable:
        reason = "The service has no usage record of it yet, so there is nothing to delete."
        if columns.has_record(left_out):
            reason = "Its usage record is incomplete. The journal could not keep it whole, so it is not deleted."
    names: Collection[tuple[str, str]] = of_deletable
    if 1 < len(names) <= _MOST_NAMED:
        names = yield from _newest_first_steps(columns, deletable)
    return DeletePlan(
        radius=radius,
        host=host,
        stream=only,
        sessions=SessionRows(columns, deletable),
        left_out=SessionRows(columns, left_out),
        started=(min(starts, default=0), max(starts, default=0)),
        stream_names=names,
        on_air=on_air,
        hidden=hidden,
        impossible_reason=reason,
        service=service,
    )


def _newest_first_steps(columns: SessionColumns, rows: Sequence[int]) -> Generator[None, None, list[tuple[str, str]]]:
    """Return scope and name of the streams of some rows, the one that started last first."""
    scopes, names, starts = columns.scopes, columns.names, columns.start_time
    newest = dict[tuple[str, str], int]()
    for number, row in enumerate(rows):
        if number and number % STEP_ROWS == 0:
            yield
        stream = scopes[row], names[row]
        newest[stream] = max(starts[row], newest.get(stream, 0))
    return sorted(newest, key=newest.__getitem__, reverse=True)


def _has_full_name(scope: str, name: str) -> bool:
    return bool(scope and name and all(scope.split("/")))


def _count_sessions(number: int) -> str:
    return f"{number:,} session" + ("" if number == 1 else "s")


def _count_streams(number: int) -> str:
    return f"{number:,} stream" + ("" if number == 1 else "s")


def dialog_title(plan: DeletePlan) -> str:
    """Return the question of the dialog."""
    match plan.radius:
        case Radius.MARKED:
            return f"Delete {_count_sessions(len(plan.sessions))} that you marked on {plan.place}?"
        case Radius.EVERYTHING:
            return f"Delete EVERY listed usage record on {plan.place}?"
        case _:
            return f"Delete {plan.radius.value} of {sanitize(str(plan.stream))} on {plan.place}?"


def button_label(plan: DeletePlan) -> str:
    """Return the label of the button that deletes."""
    return f"delete {_count_sessions(len(plan.sessions))}"


def blast_radius(
    plan: DeletePlan,
    now_ms: int,
    tz: tzinfo | None,
    *,
    knows_live: bool = True,
    lists_without_record: bool = False,
    server_is_unseen: bool = False,
) -> list[str]:
    """Return what would be deleted, a sentence a line.

    A plain Stream Manager lists a session on air from its live list, also without a record. While a server is unseen,
    the number of those who watch is a lower bound.
    """
    if plan.impossible_reason:
        return [plan.impossible_reason]
    oldest, newest = plan.started
    span = f"started {formats.moment(newest, now_ms, tz)}"
    if len(plan.sessions) > 1:
        span += f" back to {formats.moment(oldest, now_ms, tz)}"
    streams = len(plan.stream_names)
    of = f" of {_count_streams(streams)}" if streams > 1 else ""
    lines = [f"{_count_sessions(len(plan.sessions))}{of}, {span}."]
    if 1 < streams <= _MOST_NAMED:
        lines.append(", ".join(shortened(sanitize(str(stream)), 40) for stream in plan.streams) + ".")
    if not knows_live:
        lines.append("Whether it is on air is unknown." if len(plan.sessions) == 1 else "Which are on air is unknown.")
    if plan.on_air:
        subject = (
            "It is"
            if len(plan.sessions) == 1
            else f"{len(plan.on_air)} of them {'is' if len(plan.on_air) == 1 else 'are'}"
        )
        at_least = "at least " if server_is_unseen else ""
        continues = "The stream itself continues." if len(plan.on_air) == 1 else "The streams themselves continue."
        lines.append(f"{subject} ON AIR with {at_least}{formats.count(plan.watching)} watching now. {continues}")
        if not lists_without_record:
            without = "Without a record it is" if len(plan.on_air) == 1 else "Without records they are"
            again = "it begins again" if len(plan.on_air) == 1 else "they begin again"
            lines.append(f"{without} not listed or counted here any more until {again}.")
    if plan.hidden:
        verb = "is" if plan.hidden == 1 else "are"
        lines.append(
            f"{formats.count(plan.hidden)} of the {_count_sessions(len(plan.sessions))} {verb} hidden by your filter."
        )
    if plan.left_out:
        lines.append(
            f"{_count_sessions(len(plan.left_out))} without a complete usage record or name will NOT be deleted."
        )
    lines.append("Daily statistics are kept. The records go to the local journal first.")
    return lines


@dataclass(frozen=True)
class PlanChanges:
    """How the service's records differ from the plan by now. Changed figures are no difference; sessions are."""

    gone: frozenset[SessionKey] = frozenset()
    """Chosen, but no longer listed."""
    started: frozenset[SessionKey] = frozenset()
    """Listed, but not chosen: they will not be deleted. Filled only if the whole stream or everything was chosen."""
    lacking: frozenset[SessionKey] = frozenset()
    """Chosen, but incomplete by now: the journal could not keep them, and they will not be deleted."""

    def __bool__(self) -> bool:
        return bool(self.gone or self.started or self.lacking)

    def describe(self) -> str:
        """Return the differences as one line; empty where there are none."""
        parts = []
        if self.gone:
            parts.append(f"{_count_sessions(len(self.gone))} {'is' if len(self.gone) == 1 else 'are'} gone already.")
        if self.started:
            more = f"{len(self.started):,} more session{'' if len(self.started) == 1 else 's'}"
            parts.append(f"{more} started and will NOT be deleted.")
        if self.lacking:
            parts.append(f"{_count_sessions(len(self.lacking))} came incomplete and will NOT be deleted.")
        return "Since you asked: " + " ".join(parts) if parts else ""


def comparison_steps(
    plan: DeletePlan, records: Sequence[PartialUsageRecord]
) -> Generator[None, None, tuple[PlanChanges, list[UsageRecord]]]:
    """Return how the service's records differ from those that the plan was made of, and those that can be deleted."""
    planned = yield from _key_steps(plan.sessions)
    left_out = yield from _key_steps(plan.left_out)
    gone, started, lacking = set(planned), set[tuple[str, str, int]](), set[tuple[str, str, int]]()
    chosen = list[UsageRecord]()
    for number, record in enumerate(records):
        if number and number % STEP_ROWS == 0:
            yield
        key = (record.scope, record.name, record.start_time)
        if key in planned:
            gone.discard(key)
            if isinstance(record, UsageRecord):
                chosen.append(record)
            else:
                lacking.add(key)
        elif key not in left_out:
            started.add(key)
    if plan.radius not in (Radius.STREAM, Radius.EVERYTHING):
        started.clear()
    return PlanChanges(*(frozenset(starmap(SessionKey, keys)) for keys in (gone, started, lacking))), chosen


def _key_steps(sessions: SessionRows) -> Generator[None, None, set[tuple[str, str, int]]]:
    keys = set[tuple[str, str, int]]()
    for first in range(0, len(sessions), STEP_ROWS):
        if first:
            yield
        keys.update(sessions.columns.keys_of(sessions.rows[first : first + STEP_ROWS]))
    return keys

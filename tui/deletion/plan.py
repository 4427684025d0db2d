"""What a delete would do, frozen at the moment it was asked for. Pure.

The keys that are frozen are the ones that were on the screen; whatever starts later is not among them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum

from streamusage.core.usage import PartialUsageRecord, SessionKey, StreamId, UsageRecord
from tui.model import formats
from tui.model.sessions.store import Session
from tui.model.sessions.view import SessionView
from tui.model.text import safe, shortened

_MOST_NAMED = 6
"""Streams that are named one by one in the dialog."""


class Radius(StrEnum):
    """How much was asked for. The wider, the more has to be typed."""

    SESSION = "one session"
    STREAM = "all sessions"
    MARKED = "the marked sessions"
    EVERYTHING = "everything"


@dataclass(frozen=True)
class DeletePlan:
    """The sessions that were chosen, newest first, and what is known of them."""

    radius: Radius
    host: str
    stream: StreamId | None
    """The stream, where all chosen sessions are of one."""
    sessions: tuple[Session, ...]
    left_out: tuple[Session, ...]
    """Sessions of the stream without a whole usage record of their own: nothing there that could be kept."""
    hidden: int
    """How many of the chosen ones the filter hides."""
    cannot: str = ""
    """Why it cannot be done; empty where it can."""

    @property
    def keys(self) -> tuple[SessionKey, ...]:
        return tuple(session.key for session in self.sessions)

    @property
    def what(self) -> str:
        """What is deleted, as an operator names it."""
        if self.stream is not None and self.radius in (Radius.SESSION, Radius.STREAM):
            return str(self.stream)
        return f"{_sessions(len(self.sessions))} of {_streams(len(self.streams))}"

    @property
    def streams(self) -> tuple[StreamId, ...]:
        return tuple(dict.fromkeys(session.stream for session in self.sessions))

    @property
    def to_type(self) -> str:
        """What must be typed before it goes on; empty for nothing."""
        match self.radius:
            case Radius.SESSION:
                return ""
            case Radius.STREAM:
                return str(self.stream)
            case Radius.MARKED:
                return str(len(self.sessions)) if len(self.sessions) > 1 else ""
            case Radius.EVERYTHING:
                return self.host

    @property
    def asks_to_type(self) -> str:
        """The line that asks for it."""
        called = {Radius.STREAM: "the stream's name", Radius.MARKED: "their number", Radius.EVERYTHING: "the host"}
        return f"Type {called.get(self.radius, '')} to go on: {safe(self.to_type)}"

    @property
    def live(self) -> tuple[Session, ...]:
        return tuple(session for session in self.sessions if session.live)

    @property
    def watching(self) -> int:
        return sum(session.active or 0 for session in self.live)


def plan(chosen: Iterable[Session], view: SessionView, radius: Radius, host: str) -> DeletePlan:
    """Freezes what is to be deleted."""
    sessions = sorted(chosen, key=lambda session: -session.start_time)
    deletable = tuple(session for session in sessions if _can_be_deleted(session))
    left_out = tuple(session for session in sessions if not _can_be_deleted(session))
    streams = {session.stream for session in sessions}
    stream = next(iter(streams)) if len(streams) == 1 else None
    cannot = ""
    if stream is not None and not _has_a_name(stream):
        cannot = "It has no name of its own, so it cannot be deleted alone."
    elif not deletable:
        cannot = "The service keeps no usage record of it yet, so there is nothing to delete."
        if any(session.recorded for session in left_out):
            cannot = "Its usage record came incomplete. No journal could keep it whole, so it is not deleted from here."
    hidden = sum(view.row_of(session.key) is None for session in deletable)
    return DeletePlan(radius, host, stream, deletable, left_out, hidden, cannot)


def _has_a_name(stream: StreamId) -> bool:
    return bool(stream.scope and stream.name and all(stream.scope.split("/")))


def _can_be_deleted(session: Session) -> bool:
    return session.is_whole and _has_a_name(session.stream)


def _sessions(number: int) -> str:
    return f"{number:,} session" + ("" if number == 1 else "s")


def _streams(number: int) -> str:
    return f"{number:,} stream" + ("" if number == 1 else "s")


def title(plan: DeletePlan) -> str:
    match plan.radius:
        case Radius.MARKED:
            return f"Delete {_sessions(len(plan.sessions))} that you marked on {plan.host}?"
        case Radius.EVERYTHING:
            return f"Delete EVERY usage record that is listed of {plan.host}?"
        case _:
            return f"Delete {plan.radius.value} of {safe(str(plan.stream))} on {plan.host}?"


def button(plan: DeletePlan) -> str:
    return f"delete {_sessions(len(plan.sessions))}"


def blast_radius(plan: DeletePlan, now_ms: int, tz: tzinfo | None) -> list[str]:
    """What would be deleted, in sentences."""
    if plan.cannot:
        return [plan.cannot]
    newest, oldest = plan.sessions[0], plan.sessions[-1]
    span = f"started {formats.moment(newest.start_time, now_ms, tz)}"
    if len(plan.sessions) > 1:
        span += f" back to {formats.moment(oldest.start_time, now_ms, tz)}"
    of = f" of {_streams(len(plan.streams))}" if len(plan.streams) > 1 else ""
    lines = [f"{_sessions(len(plan.sessions))}{of}, {span}."]
    if 1 < len(plan.streams) <= _MOST_NAMED:
        lines.append(", ".join(shortened(safe(str(stream)), 40) for stream in plan.streams) + ".")
    if plan.live:
        subject = (
            "It is" if len(plan.sessions) == 1 else f"{len(plan.live)} of them {'is' if len(plan.live) == 1 else 'are'}"
        )
        goes_on = "The stream itself goes on." if len(plan.live) == 1 else "The streams themselves go on."
        lines.append(f"{subject} LIVE with {formats.count(plan.watching)} watching now. {goes_on}")
    if plan.hidden:
        verb = "is" if plan.hidden == 1 else "are"
        lines.append(
            f"{formats.count(plan.hidden)} of the {_sessions(len(plan.sessions))} {verb} hidden by your filter."
        )
    if plan.left_out:
        lines.append(f"{_sessions(len(plan.left_out))} without a whole usage record or a name of its own stays.")
    lines.append("Daily statistics are kept. The records go to the local journal first.")
    return lines


@dataclass(frozen=True)
class Since:
    """How the stream's records differ from the plan by now. Figures that move are no difference; sessions are."""

    gone: frozenset[SessionKey] = frozenset()
    """Chosen, but not there any more."""
    started: frozenset[SessionKey] = frozenset()
    """There, but not chosen: they will not be deleted. Asked for only where the whole stream was meant."""
    lacking: frozenset[SessionKey] = frozenset()
    """Chosen, but by now told without some figure: they could not be kept, and will not be deleted."""

    def __bool__(self) -> bool:
        return bool(self.gone or self.started or self.lacking)

    def in_words(self) -> str:
        said = []
        if self.gone:
            said.append(f"{_sessions(len(self.gone))} {'is' if len(self.gone) == 1 else 'are'} gone already.")
        if self.started:
            more = f"{len(self.started):,} more session{'' if len(self.started) == 1 else 's'}"
            said.append(f"{more} started and will NOT be deleted.")
        if self.lacking:
            said.append(f"{_sessions(len(self.lacking))} came without some figure and will NOT be deleted.")
        return "Since you asked: " + " ".join(said) if said else ""


def since_asked(plan: DeletePlan, records: Iterable[PartialUsageRecord]) -> Since:
    """What the service's records say differently from what the plan was made on."""
    records = list(records)
    found = {record.key for record in records}
    lacking = frozenset(record.key for record in records if not isinstance(record, UsageRecord))
    known = {*plan.keys, *(session.key for session in plan.left_out)}
    started = frozenset(found - known) if plan.radius in (Radius.STREAM, Radius.EVERYTHING) else frozenset()
    return Since(frozenset(set(plan.keys) - found), started, lacking & set(plan.keys))

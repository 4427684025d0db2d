"""What a delete would do, frozen at the moment it was asked for. Pure.

The keys that are frozen are the ones that were on the screen; whatever starts later is not among them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo

from streamusage.usage import SessionKey, StreamId, UsageRecord
from tui.model import formats
from tui.model.sessions import Session
from tui.model.text import safe
from tui.model.view import SessionView


@dataclass(frozen=True)
class DeletePlan:
    """The sessions that were chosen, newest first, and what is known of them."""

    stream: StreamId
    whole_stream: bool
    """Whether every session of the stream was asked for: its name must then be typed."""
    sessions: tuple[Session, ...]
    left_out: tuple[Session, ...]
    """Sessions of the stream without a usage record of their own: nothing there to delete."""
    hidden: int
    """How many of the chosen ones the filter hides."""
    cannot: str = ""
    """Why it cannot be done; empty where it can."""

    @property
    def keys(self) -> tuple[SessionKey, ...]:
        return tuple(session.key for session in self.sessions)

    @property
    def live(self) -> tuple[Session, ...]:
        return tuple(session for session in self.sessions if session.live)

    @property
    def watching(self) -> int:
        return sum(session.active or 0 for session in self.live)


def plan(chosen: Iterable[Session], stream: StreamId, view: SessionView, *, whole_stream: bool) -> DeletePlan:
    """Freezes what is to be deleted."""
    sessions = sorted(chosen, key=lambda session: -session.start_time)
    deletable = tuple(session for session in sessions if session.recorded and session.start_time > 0)
    left_out = tuple(session for session in sessions if session not in deletable)
    cannot = ""
    if not stream.scope or not stream.name or not all(stream.scope.split("/")):
        cannot = "It has no name of its own, so it cannot be deleted alone."
    elif not deletable:
        cannot = "The service keeps no usage record of it yet, so there is nothing to delete."
    hidden = sum(view.row_of(session.key) is None for session in deletable)
    return DeletePlan(stream, whole_stream, deletable, left_out, hidden, cannot)


def _sessions(number: int) -> str:
    return f"{number:,} session" + ("" if number == 1 else "s")


def title(plan: DeletePlan, host: str) -> str:
    what = "all sessions" if plan.whole_stream else "one session"
    return f"Delete {what} of {safe(str(plan.stream))} on {host}?"


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
    lines = [f"{_sessions(len(plan.sessions))}, {span}."]
    if plan.live:
        subject = (
            "It is" if len(plan.sessions) == 1 else f"{len(plan.live)} of them {'is' if len(plan.live) == 1 else 'are'}"
        )
        lines.append(f"{subject} LIVE with {formats.count(plan.watching)} watching now. The stream itself goes on.")
    if plan.hidden:
        verb = "is" if plan.hidden == 1 else "are"
        lines.append(
            f"{formats.count(plan.hidden)} of the {_sessions(len(plan.sessions))} {verb} hidden by your filter."
        )
    if plan.left_out:
        lines.append(f"{_sessions(len(plan.left_out))} without a usage record of its own stays.")
    lines.append("Daily statistics are kept. The records go to the local journal first.")
    return lines


@dataclass(frozen=True)
class Since:
    """How the stream's records differ from the plan by now. Figures that move are no difference; sessions are."""

    gone: frozenset[SessionKey]
    """Chosen, but not there any more."""
    started: frozenset[SessionKey]
    """There, but not chosen: they will not be deleted. Asked for only where the whole stream was meant."""

    def __bool__(self) -> bool:
        return bool(self.gone or self.started)

    def in_words(self) -> str:
        said = []
        if self.gone:
            said.append(f"{_sessions(len(self.gone))} {'is' if len(self.gone) == 1 else 'are'} gone already.")
        if self.started:
            more = f"{len(self.started):,} more session{'' if len(self.started) == 1 else 's'}"
            said.append(f"{more} started and will NOT be deleted.")
        return "Since you asked: " + " ".join(said) if said else ""


def since_asked(plan: DeletePlan, records: Iterable[UsageRecord]) -> Since:
    """What the service's records say differently from what the plan was made on."""
    found = {record.key for record in records}
    known = {*plan.keys, *(session.key for session in plan.left_out)}
    started = frozenset(found - known) if plan.whole_stream else frozenset()
    return Since(frozenset(set(plan.keys) - found), started)

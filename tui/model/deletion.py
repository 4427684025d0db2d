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


def since_asked(plan: DeletePlan, records: Iterable[UsageRecord]) -> list[str]:
    """What the service's records say differently from what the plan was made on, in sentences; empty for nothing."""
    found = {record.key: record for record in records}
    chosen = {session.key: session for session in plan.sessions}
    known = chosen.keys() | {session.key for session in plan.left_out}
    said = []
    gone = [key for key in chosen if key not in found]
    if gone:
        said.append(f"{_sessions(len(gone))} {'is' if len(gone) == 1 else 'are'} gone already.")
    if plan.whole_stream:
        started = [key for key in found if key not in known]
        if started:
            said.append(f"{len(started)} more {'session' if len(started) == 1 else 'sessions'} started. Not deleted.")
    moved = [
        (session, found[key])
        for key, session in chosen.items()
        if key in found and session.total is not None and found[key].total_subscribers > session.total
    ]
    if moved:
        more = sum(record.total_subscribers - (session.total or 0) for session, record in moved)
        said.append(f"{formats.count(more)} more subscribers came to {_sessions(len(moved))}.")
    return said

"""The recording in an incident bundle: the last polls as the console kept them, and what it knew beside them. Pure."""

from collections.abc import Callable
from typing import Any

import msgspec

from streamusage.core.usage import SessionKey
from tui.app.messages import CoveragePolled
from tui.app.state import ConsoleState
from tui.model.sessions.session import Session
from tui.recording.knowledge import RecordedDays
from tui.recording.recording import RecordedPoll


def tape_of(
    state: ConsoleState, coverage: list[CoveragePolled], days: list[RecordedDays], clean: Callable[[str], str]
) -> str:
    """Return a recording of the kept polls, each text passed through `clean`. Coverage and days are at its start."""
    lines = _polls_of(state)
    at_ms = lines[0].at
    lines[1:1] = [
        *(RecordedPoll(at=at_ms, coverage=polled.coverage, carriers=polled.carriers) for polled in coverage),
        *(RecordedPoll(at=at_ms, days=month) for month in days),
    ]
    return "".join(f"{_encoded(line, clean)}\n" for line in lines)


def _polls_of(state: ConsoleState) -> list[RecordedPoll]:
    frames = state.timeline.newest()
    failed = [RecordedPoll(at=state.now_ms(), why_failed=state.failure)] if state.failure else []
    if not frames:
        return failed or [RecordedPoll(at=state.now_ms(), why_failed="no poll has succeeded")]
    sessions: dict[SessionKey, Session | None] = {session.key: session for session in state.store}
    for frame in reversed(frames[1 : len(frames) - state.timeline.back]):
        sessions |= {change.key: change.before for change in reversed(frame.changes)}
    polls = [
        RecordedPoll(
            at=frames[0].at_ms,
            changed=[session for session in sessions.values() if session is not None],
            reset=True,
            cannot_show=state.cannot_show,
        )
    ]
    for frame in frames[1:]:
        after = {change.key: change.after for change in frame.changes}
        polls.append(
            RecordedPoll(
                at=frame.at_ms,
                changed=[session for session in after.values() if session is not None],
                removed=[(key.scope, key.name, key.start_time) for key, session in after.items() if session is None],
                cannot_show=state.cannot_show,
            )
        )
    polls[-1].servers = state.servers
    return [*polls, *failed]


def _encoded(line: RecordedPoll, clean: Callable[[str], str]) -> str:
    text = msgspec.json.encode(line).decode()
    if clean(text) == text:
        return text
    # Text by text: what replaces a secret in a whole line could end beyond its quotes.
    return msgspec.json.encode(_cleaned(msgspec.to_builtins(line), clean)).decode()


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(name): _cleaned(item, clean) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item, clean) for item in value]
    return value

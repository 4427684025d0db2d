"""The recording in an incident bundle: the last polls as the console kept them, and what it knew beside them. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from streamusage.core.usage import SessionKey
from tui.app.messages.views import CoveragePolled
from tui.app.state import ConsoleState
from tui.model.sessions.session import Session
from tui.model.sessions.store import Change
from tui.model.sessions.timeline import Frame
from tui.recording.knowledge import RecordedDays
from tui.recording.recording import RecordedPoll


class TapeKnowledge(NamedTuple):
    """What is known of a service beside its polls."""

    coverage: Sequence[CoveragePolled]
    days: Sequence[RecordedDays]


def tape_of(state: ConsoleState, knowledge: Mapping[str, TapeKnowledge], clean: Callable[[str], str]) -> str:
    """Return a recording of the kept polls, each text passed through `clean`. Coverage and days are at its start.

    `knowledge` is that of each service, by its profile where there are several, else by an empty name.
    """
    first, later = _polls_of(state)
    at_ms = first[0].at
    first[0].services = list(state.parts)
    known = [
        line
        for service, (coverage, days) in knowledge.items()
        for line in (
            *(
                RecordedPoll(at=at_ms, coverage=polled.coverage, carriers=polled.carriers, service=service)
                for polled in coverage
            ),
            *(RecordedPoll(at=at_ms, days=month, service=service) for month in days),
        )
    ]
    return "".join(f"{_encoded(line, clean)}\n" for line in (*first, *known, *later))


def _polls_of(state: ConsoleState) -> tuple[list[RecordedPoll], list[RecordedPoll]]:
    """Return what was known at the first kept poll, at least one line, and the later polls."""
    parts = state.parts or {"": state}
    now_ms = state.now_ms()
    failed = [
        RecordedPoll(at=now_ms, why_failed=part.failure, service=service)
        for service, part in parts.items()
        if part.failure
    ]
    frames = state.timeline.newest()
    if not frames:
        return failed or [RecordedPoll(at=now_ms, why_failed="no poll has succeeded", service=next(iter(parts)))], []
    sessions: dict[SessionKey, Session | None] = {session.key: session for session in state.store}
    for frame in reversed(frames[1 : len(frames) - state.timeline.back]):
        sessions |= {change.key: change.before for change in reversed(frame.changes)}
    listed: dict[str, list[Session]] = {service: [] for service in parts}
    for session in sessions.values():
        if session is not None:
            listed[session.service].append(session)
    polled_later = {frame.service for frame in frames[1:]}
    begun = [
        service
        for service, part in parts.items()
        if part.has_figures and (listed[service] or frames[0].service == service or service not in polled_later)
    ]
    first = [_poll(frames[0].at_ms, service, parts[service], listed[service], reset=True) for service in begun]
    later = []
    for frame in frames[1:]:
        for service, changes in _by_service(frame, parts).items():
            after = {change.key: change.after for change in changes}
            changed = [session for session in after.values() if session is not None]
            poll = _poll(frame.at_ms, service, parts[service], changed, reset=service not in begun)
            poll.removed = [(key.scope, key.name, key.start_time) for key, session in after.items() if session is None]
            later.append(poll)
            begun.append(service)
    newest = {poll.service: poll for poll in (*first, *later)}
    for service, poll in newest.items():
        poll.servers = parts[service].servers
    return (first, [*later, *failed]) if first else ([*later, *failed], [])


def _by_service(frame: Frame, services: Iterable[str]) -> dict[str, list[Change]]:
    """Return the changes of a frame by service, also those of a service that was polled without a change."""
    found: dict[str, list[Change]] = {frame.service: []} if frame.service in services else {}
    for change in frame.changes:
        session = change.after or change.before
        found.setdefault(session.service if session else "", []).append(change)
    return found


def _poll(at_ms: int, service: str, part: ConsoleState, sessions: Iterable[Session], *, reset: bool) -> RecordedPoll:
    own = [msgspec.structs.replace(session, service="") if service else session for session in sessions]
    return RecordedPoll(
        at=at_ms, changed=own, reset=reset, cannot_show=part.cannot_show, knows_live=part.knows_live, service=service
    )


def clean_poll(poll: RecordedPoll, clean: Callable[[str], str]) -> RecordedPoll:
    """Return the poll with each text passed through `clean`."""
    return msgspec.json.decode(_encoded(poll, clean), type=RecordedPoll)


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

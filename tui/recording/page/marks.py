"""The outages of a recording as marks on its time: what was missing when, what came later, which polls failed. Pure."""

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Literal

import msgspec

from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import Provenance
from tui.app.messages.views import CoveragePolled
from tui.model import formats
from tui.model.redaction import redacted
from tui.model.text import sanitize
from tui.model.unseen import is_unseen
from tui.recording.knowledge import merged
from tui.recording.recording import RecordedPoll, services_of

MarkKind = Literal["missing", "backfilled", "partial", "lost", "held", "failed"]


class TimeMark(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened in a recording, from an instant to another one."""

    kind: MarkKind
    from_ms: int
    to_ms: int
    """Equal to `from_ms` for what happened at an instant."""
    text: str
    """What it happened to: a server and its time, or why polls failed."""


def find_marks(polls: Iterable[RecordedPoll], from_ms: int, to_ms: int, tz: tzinfo) -> list[TimeMark]:
    """Return the marks of a recording between two instants, oldest first; their texts are safe to show.

    In a recording of several services each begins with the name of its service.
    """
    polls = list(polls)
    found: list[TimeMark] = []
    for service in services_of(polls) or [""]:
        own = [poll for poll in polls if poll.service == service]
        label = sanitize(redacted(f"{service}: ")) if service else ""
        found += [
            msgspec.structs.replace(mark, text=label + mark.text)
            for mark in (*_missing(own), *_failed(own), *_recovered(own, tz))
        ]
    within = (
        msgspec.structs.replace(mark, from_ms=max(mark.from_ms, from_ms), to_ms=min(mark.to_ms, to_ms))
        for mark in found
        if mark.from_ms <= to_ms and mark.to_ms >= from_ms
    )
    return sorted(within, key=lambda mark: (mark.from_ms, mark.to_ms, mark.text))


def _missing(polls: list[RecordedPoll]) -> Iterator[TimeMark]:
    """Yield from when to when each server was not seen."""
    since: dict[str, int] = {}
    at_ms = 0
    for poll in polls:
        at_ms = max(at_ms, poll.at)
        if poll.servers is None:
            continue
        unseen = {server.server for server in poll.servers if is_unseen(server)}
        for name in [name for name in since if name not in unseen]:
            yield _mark("missing", since.pop(name), at_ms, name)
        for name in unseen - since.keys():
            since[name] = at_ms
    for name, from_ms in since.items():
        yield _mark("missing", from_ms, at_ms, name)


def _failed(polls: list[RecordedPoll]) -> Iterator[TimeMark]:
    """Yield from when to when the service did not answer."""
    since: int | None = None
    reason, at_ms = "", 0
    for poll in polls:
        at_ms = max(at_ms, poll.at)
        if poll.why_failed:
            since, reason = (at_ms if since is None else since), poll.why_failed
        elif since is not None and poll.coverage is None and poll.days is None:
            yield _mark("failed", since, at_ms, reason)
            since = None
    if since is not None:
        yield _mark("failed", since, at_ms, reason)


def _recovered(polls: list[RecordedPoll], tz: tzinfo) -> Iterator[TimeMark]:
    """Yield what became of the gaps of each server, as the last coverage has them."""
    coverage = merged([CoveragePolled(poll.coverage, None) for poll in polls if poll.coverage is not None])
    for server in coverage.servers if coverage is not None else ():
        for span in server.spans:
            if mark := _mark_of_span(server.server, span, tz):
                yield mark


def _mark_of_span(server: str, span: CoverageSpan, tz: tzinfo) -> TimeMark | None:
    length = "–".join(formats.clock_times(span.from_ms, span.to_ms, tz))
    match span.state:
        case Provenance.BACKFILLED:
            at_ms = span.to_ms if span.filled_at is None else span.filled_at
            delta = span.delta
            gained = f", +{formats.count(delta.connections)} connections" if delta is not None else ""
            return _mark("backfilled", at_ms, at_ms, f"{server} {length}{gained}")
        case Provenance.LOST:
            at_ms = span.to_ms if span.filled_at is None else span.filled_at
            return _mark("lost", at_ms, at_ms, f"{server} {length}: {span.reason or 'no reason given'}")
        case Provenance.HELD | Provenance.PARTIAL:
            kind: MarkKind = "held" if span.state is Provenance.HELD else "partial"
            reason = f": {span.reason}" if span.reason else ""
            return _mark(kind, span.from_ms, span.to_ms, f"{server} {length}{reason}")
    return None


def _mark(kind: MarkKind, from_ms: int, to_ms: int, text: str) -> TimeMark:
    return TimeMark(kind=kind, from_ms=from_ms, to_ms=to_ms, text=sanitize(redacted(text)))

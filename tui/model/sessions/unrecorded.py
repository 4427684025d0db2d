"""Streams on air whose usage record was deleted: our own service no longer lists their sessions. Pure."""

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Protocol

from streamusage.core.usage import StreamId
from tui.model.sessions.session import Session
from tui.model.sessions.store import Change

_MOST_LOOKED_UP = 50
"""Up to so many deleted records are compared with the other sessions of their streams, at a search each."""
_MOST_SEARCHED = 500
"""Up to so many streams without a live session are searched in the table after new trends."""
_AFTER_END_MS = 60_000
"""A minute with figures so long after the end of the newest session belongs to another publish."""


class FiguresOfStreams(Protocol):
    """The service's trends: they have the streams on air, with or without a usage record."""

    def last_figure_ms(self, stream: StreamId) -> int | None:
        """Return the start of the newest minute in which the stream was on air; `None` without one."""


class SessionsOfStreams(Protocol):
    """Finds the sessions of a stream."""

    def of_stream(self, stream: StreamId) -> list[Session]:
        """Return every session of a stream."""


class UnrecordedStreams:
    """Streams on air without a record: seen when it disappeared, or found in the service's trends.

    Each stays until it ends or has a record again.
    """

    def __init__(self) -> None:
        self._streams: set[StreamId] = set()

    def __len__(self) -> int:
        return len(self._streams)

    def update(self, changes: Sequence[Change], store: SessionsOfStreams, on_air: Container[StreamId]) -> None:
        """Follow the changes of a poll that the store has applied.

        `on_air` are the streams of the service's trends. Others are left out: nothing would show when they end.
        """
        gone = {change.before.stream for change in changes if change.before and change.before.live and not change.after}
        gone = {stream for stream in gone if stream in on_air}
        if len(gone) <= _MOST_LOOKED_UP:  # a publish of an edge may have joined another session of its stream
            gone = {stream for stream in gone if not any(session.live for session in store.of_stream(stream))}
        self._streams |= gone
        if self._streams:
            self._streams.difference_update(
                change.after.stream for change in changes if change.after is not None and change.after.live
            )

    def find(self, streams: Iterable[StreamId], trends: FiguresOfStreams, store: SessionsOfStreams) -> Iterator[None]:
        """Add those of some streams without a live session that are on air since their newest session ended, in steps.

        The poll of the sessions must be newer than the trends: else a stream that has just begun has no session yet.
        """
        for _, stream in zip(range(_MOST_SEARCHED), streams, strict=False):
            seen_ms = trends.last_figure_ms(stream)
            sessions = store.of_stream(stream)
            ended_ms = max((max(session.start_time, session.end_time or 0) for session in sessions), default=0)
            if seen_ms is not None and seen_ms >= ended_ms + _AFTER_END_MS:
                self._streams.add(stream)
            yield

    def keep(self, on_air: Container[StreamId]) -> None:
        """Forget the streams that are no longer on air."""
        self._streams = {stream for stream in self._streams if stream in on_air}

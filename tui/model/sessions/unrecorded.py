"""Streams on air whose usage record was deleted: our own service no longer lists their sessions. Pure."""

from collections.abc import Container, Sequence
from typing import Protocol

from streamusage.core.usage import StreamId
from tui.model.sessions.session import Session
from tui.model.sessions.store import Change

_MOST_LOOKED_UP = 50
"""Up to so many deleted records are compared with the other sessions of their streams, at a search each."""


class SessionsOfStreams(Protocol):
    """Finds the sessions of a stream."""

    def of_stream(self, stream: StreamId) -> list[Session]:
        """Return every session of a stream."""


class UnrecordedStreams:
    """The streams that were on air when their record disappeared. Each stays until it ends or has a record again."""

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

    def keep(self, on_air: Container[StreamId]) -> None:
        """Forget the streams that are no longer on air."""
        self._streams = {stream for stream in self._streams if stream in on_air}

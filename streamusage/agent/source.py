"""The protocol of a source: where readings of a media server come from.

A source keeps no state that matters: what it has read of the server's log is told by the cursor, which the journal
keeps together with what was counted. Ids and counters are the media server's own and compare only within one boot.
"""

from typing import Literal, Protocol

import msgspec


class SourceError(Exception):
    """No reading can be had now. The text says what was asked, what came, and what an operator can do."""


class PublishReading(msgspec.Struct, frozen=True, kw_only=True):
    """A publisher at work."""

    publish_id: str
    scope: str
    name: str
    age_ms: int
    """For how long it has been connected, at the reading's `at`."""


class ViewerReading(msgspec.Struct, frozen=True, kw_only=True):
    """A viewer connection that is open."""

    viewer_id: str
    scope: str
    name: str
    protocol: str
    age_ms: int


class EndedConnection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that ended, as the media server's own log tells it."""

    connection_id: str
    kind: Literal["publish", "play", "other"]
    scope: str
    name: str
    protocol: str
    ended_at: int
    duration_ms: int
    """How long it lasted: a lower bound, below the truth by less than `granularity_ms`."""
    granularity_ms: int
    bytes_in: int
    bytes_out: int


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of a media server's cumulative counters, and what its log said since the sample before."""

    at: int
    """Wall time of the sample, UTC milliseconds, taken after the log was read, so that nothing in `ended` is later.
    Within one run of an agent it moves with a clock that never steps. Decides only where units are filed."""
    boot: str
    """Another value means that every counter began again."""
    started_at: int
    """The latest instant at which this boot can have begun. One that is not after the last reading of the boot before
    says that the true instant is unknown."""
    started_granularity_ms: int = 1000
    """How much earlier than `started_at` it can have begun."""
    bytes_in: int
    """Bytes received since the boot began, all connections."""
    bytes_out: int
    publishes: tuple[PublishReading, ...] = ()
    viewers: tuple[ViewerReading, ...] = ()
    ended: tuple[EndedConnection, ...] = ()
    """Log lines from the given cursor up to `cursor`."""
    cursor: str = ""
    logs_ends: bool = False
    """Whether every connection that ends in good order appears in `ended`, sooner or later."""


class Source(Protocol):
    """A media server that can be read."""

    async def read(self, cursor: str | None) -> Reading:
        """A reading now, with the log from `cursor` on. `None` starts at the log's present end.

        Raises `SourceError`; nothing of the log is lost by it, since the cursor is the caller's.
        """
        ...

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """The log between two cursors, for an agent that learns only later where its predecessor stopped."""
        ...

    async def close(self) -> None: ...

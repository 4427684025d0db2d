"""The protocol of a source: where readings of a media server come from.

A source keeps no state that matters: what it has read of the server's log is told by the cursor, which the journal
keeps together with what was counted. Ids and counters are the media server's own and compare only within one boot.
"""

from typing import Literal, Protocol

import msgspec


class SourceError(Exception):
    """No reading can be had now. The text says what was asked, what came, and what an operator can do."""


class LogGoneError(SourceError):
    """The log of a time is not there any more."""


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


class CounterReading(msgspec.Struct, frozen=True, kw_only=True):
    """A byte counter of its own beginning and end. No other has its key, whatever the boot."""

    key: str
    bytes_in: int
    bytes_out: int


class AudienceReading(msgspec.Struct, frozen=True, kw_only=True):
    """A number of viewers who cannot be told apart. An empty name stands for the server as a whole."""

    key: str
    scope: str
    name: str
    protocol: str
    viewers: int
    joined: int | None = None
    """How many came since the key began, where the server counts them; else the number's rises count."""
    shown_only: bool = False
    """Whether their connections and view time are told by `Reading.ended`, so that only the number counts here."""


class EndedConnection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that ended, as the media server's own log tells it; or what a log tells of one that goes on."""

    connection_id: str
    """The server's id. `@peer` where the log knows only whose it was: then it is the viewer whose id ends so."""
    kind: Literal["publish", "play", "other", "join", "watch"]
    """`join`: a viewer came, at `ended_at`. `watch`: it watched for the `duration_ms` before `ended_at`."""
    scope: str
    name: str
    protocol: str
    ended_at: int
    duration_ms: int
    """How long it lasted: a lower bound, below the truth by less than `granularity_ms`."""
    granularity_ms: int
    bytes_in: int
    bytes_out: int
    counter: str = ""
    """The key of the counter that has these bytes; empty where they are in the boot's own."""


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
    bytes_in: int = 0
    """Bytes received since the boot began, all connections but those in `counters`."""
    bytes_out: int = 0
    counters: tuple[CounterReading, ...] = ()
    audiences: tuple[AudienceReading, ...] = ()
    accepted: int | None = None
    """How many viewers connected since the boot began, by the server's own count. Sampled before `viewers` were, so
    that whoever is in it is in `viewers` too or has left."""
    publishes: tuple[PublishReading, ...] = ()
    viewers: tuple[ViewerReading, ...] = ()
    ended: tuple[EndedConnection, ...] = ()
    """Log lines from the given cursor up to `cursor`."""
    cursor: str = ""
    run: str = ""
    """In which life of the machine (or else run of the agent) the sample was taken; set by the agent."""
    elapsed_ms: int = 0
    """The clock that never steps, at the sample; compares only within one run."""
    logs_ends: bool = False
    """Whether every connection that ends in good order appears in `ended`, sooner or later."""
    misses: str = ""
    """What may have happened since the reading before that no figure tells. The time is then covered in part only."""
    step_ms: int = 0
    """By how much the byte counters may lag behind: a peak is measured with that in mind."""


class Source(Protocol):
    """A media server that can be read."""

    async def read(self, cursor: str | None) -> Reading:
        """A reading now, with the log from `cursor` on. `None` starts at the log's present end.

        Raises `SourceError`; nothing of the log is lost by it, since the cursor is the caller's.
        """
        ...

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """The log between two cursors, for an agent that learns only later where its predecessor stopped.

        Raises `LogGoneError` where the log of that time is gone, else `SourceError` where it cannot be read now.
        """
        ...

    async def close(self) -> None: ...

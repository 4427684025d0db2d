"""Readings of a media server, and the protocol of the sources that take them.

A source needs no state of its own: the cursor names the position in the server's log, and the journal stores it
together with what was counted. Ids and counters are the media server's own and are comparable only within one boot.
"""

from typing import Literal, Protocol

import msgspec


class SourceError(Exception):
    """No reading is available now. The text names the request, the reply, and what an operator can do."""


class LogGoneError(SourceError):
    """The log of the requested time no longer exists."""


class LogAheadError(SourceError):
    """Another reader of the log is further: it read lines after the position up to which this journal begins."""


class PublishReading(msgspec.Struct, frozen=True, kw_only=True):
    """A publish that is live."""

    publish_id: str
    scope: str
    name: str
    age_ms: int
    """Least possible time since it connected, at the reading's `at`. `Reading.age_slack_ms` bounds the error."""


class ViewerReading(msgspec.Struct, frozen=True, kw_only=True):
    """An open viewer connection."""

    viewer_id: str
    scope: str
    name: str
    protocol: str
    age_ms: int
    """As `PublishReading.age_ms`."""


class CounterReading(msgspec.Struct, frozen=True, kw_only=True):
    """A byte counter with its own beginning and end. Its key is unique over all boots."""

    key: str
    bytes_in: int
    bytes_out: int


class AudienceReading(msgspec.Struct, frozen=True, kw_only=True):
    """A number of viewers without identities. An empty name stands for the whole server."""

    key: str
    scope: str
    name: str
    protocol: str
    viewers: int
    joined: int | None = None
    """How many viewers joined since the key appeared, where the server counts them; else increases are counted."""
    shown_only: bool = False
    """Whether `Reading.ended` contains their connections and view time, so that only the number is used here."""


class EndedConnection(msgspec.Struct, frozen=True, kw_only=True):
    """A log line of the media server: a connection that ended, or a part of one that continues."""

    connection_id: str
    """The server's id; or `@peer` where the log names the peer only, and the viewer is found by the end of its id."""
    kind: Literal["publish", "play", "other", "join", "watch"]
    """`join`: a viewer joined, at `ended_at`. `watch`: it watched for `duration_ms` before `ended_at`."""
    scope: str
    name: str
    protocol: str
    ended_at: int
    duration_ms: int
    """Its duration: a lower bound that falls short by less than `granularity_ms`."""
    granularity_ms: int
    bytes_in: int
    bytes_out: int
    counter: str = ""
    """Key of the counter that contains these bytes; empty where the boot's own counters do."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of a media server's cumulative counters, and its log lines since the last sample.

    The journal stores the first reading under these field names.
    """

    at: int
    """Time of the sample in UTC milliseconds, when the log is read: only lines that are written meanwhile are later. A
    source uses the machine's wall clock; the agent replaces it by the time on its own time line. It decides only where
    units are filed."""
    boot: str
    """Identity of the boot. Another value means that every counter started again."""
    started_at: int
    """Latest possible start of this boot, by the clock that dates the log (`EndedConnection.ended_at`). A value that is
    not after the last reading of the boot before means that the true start is unknown."""
    started_granularity_ms: int = 1000
    """How much earlier than `started_at` it may have started."""
    bytes_in: int = 0
    """Bytes received since the boot started, over all connections except those in `counters`."""
    bytes_out: int = 0
    counters: tuple[CounterReading, ...] = ()
    audiences: tuple[AudienceReading, ...] = ()
    accepted: int | None = None
    """The server's own count of viewer connections since the boot started. It is sampled before `viewers`: every
    connection in it either appears in `viewers` or has ended."""
    publishes: tuple[PublishReading, ...] = ()
    viewers: tuple[ViewerReading, ...] = ()
    ended: tuple[EndedConnection, ...] = ()
    """Log lines from the given cursor up to `cursor`."""
    cursor: str = ""
    run: str = ""
    """Boot id of the machine (or else id of the agent's run) at the sample; set by the agent."""
    elapsed_ms: int = 0
    """The clock that never steps, at the sample; comparable only within one `run`. It is read together with `at`."""
    machine_offset_ms: int | None = None
    """The machine's wall time minus `elapsed_ms`, which dates `started_at` and `ended`; set by the agent. `None` where
    these are on the scale of `at`."""
    age_slack_ms: int = 0
    """How much older than `age_ms` each viewer and publish may be: the time from the request to the first byte of the
    reply, and the unit of the server's own figure. A start lies in `[at - age_ms - age_slack_ms, at - age_ms]`."""
    uptime_ms: int | None = None
    """Least possible uptime of the media server at `at`, by a count of its own that no step of a wall clock moves; None
    where it reports none, or one that it takes from its wall clock (nginx-rtmp, Icecast)."""
    uptime_granularity_ms: int = 1000
    """How much more than `uptime_ms` it may be."""
    logs_ends: bool = False
    """Whether every connection that ends normally appears in `ended`, sooner or later."""
    misses: str = ""
    """Why figures since the last reading may be incomplete (`core.reasons`): the time is then covered in part only."""
    step_ms: int = 0
    """How much the byte counters may lag behind, which the measurement of a peak takes into account."""


class Source(Protocol):
    """A media server of which readings can be taken."""

    async def read(self, cursor: str | None) -> Reading:
        """Return a reading of now, with the log from `cursor` on. `None` starts at the present end of the log.

        Raises `SourceError`. Nothing of the log is lost by it, because the caller keeps the cursor.
        """
        ...

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """Return the log lines between two cursors, for an agent that learns later where its predecessor stopped.

        Raises `LogGoneError` where the log of that time no longer exists, `LogAheadError` where `from_cursor` is after
        `to_cursor`, and `SourceError` where the log cannot be read now.
        """
        ...

    async def close(self) -> None:
        """Release what the source has opened."""
        ...

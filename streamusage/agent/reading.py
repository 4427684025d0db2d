"""Readings of a media server, and the protocol of the sources that take them.

A source needs no state of its own: the cursor names the position in the server's log, and the journal stores it
together with what was counted. Ids and counters are the media server's own and are comparable only within one boot.
"""

from typing import ClassVar, Literal, Protocol

import msgspec

from streamusage.core.figures import StreamTraffic


class SourceError(Exception):
    """No reading is available now. The text names the request, the reply, and what an operator can do."""

    KINDS: ClassVar[tuple[str, ...]] = ("unreachable", "status", "answer", "log", "other")
    """Kinds of causes: no answer, an answer with a status other than 200, one that cannot be read, a log."""
    kind: ClassVar[str] = "other"


class UnreachableSourceError(SourceError):
    """The media server did not answer."""

    kind = "unreachable"


class UnreadableAnswerError(SourceError):
    """The media server's answer cannot be read."""

    kind = "answer"


class LogError(SourceError):
    """A log cannot be read."""

    kind = "log"


class LogGoneError(LogError):
    """The log of the requested time no longer exists."""


class LogAheadError(LogError):
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
    publish_id: str = ""
    """Id of the publish that it watches, where the server shows which: its stream is then that of the publish, which
    keeps the name under which it was first seen."""
    address: str = ""
    """Its IP address, with or without a port, for the setting `ignore`; empty where the server does not report it."""
    agent: str = ""
    """Its user agent or player version, likewise."""


class IgnoredViewers(msgspec.Struct, frozen=True, kw_only=True):
    """Viewers that the setting `ignore` leaves out. They are in no figure of viewers; their traffic counts."""

    present: int
    connections: int
    """How many connected since the agent started."""


class CounterReading(msgspec.Struct, frozen=True, kw_only=True):
    """A byte counter with its own beginning and end. Its key is unique over all boots."""

    key: str
    bytes_in: int | None
    """None where the server's figure is no count (negative, above 2^53): the last value stands, and continues later."""
    bytes_out: int | None
    scope: str = ""
    name: str = ""
    """The stream to which all of its bytes belong; empty where they belong to several, to none, or to an unknown one.
    """


class StreamCounterReading(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A byte counter of a stream whose bytes other counters contain: it only decides how those are dealt."""

    scope: str
    name: str
    bytes_in: int | None
    """None where the server's figure is no count."""
    bytes_out: int | None


SHARED = "*"
"""Key of log lines whose bytes several counters contain (`metering.shared_lines`). A source that has such lines adds a
counter of 0 bytes under this key to each reading. As stored, its value are the bytes of counters that are no longer
kept, and `ahead` what the lines report beyond all counters.
"""


class AudienceReading(msgspec.Struct, frozen=True, kw_only=True):
    """A number of viewers without identities. An empty name stands for the whole server."""

    key: str
    scope: str
    name: str
    protocol: str
    viewers: int | None
    """None where the server's figure is no count: the last number stands."""
    joined: int | None = None
    """How many viewers joined since the key appeared, where the server counts them; else increases are counted."""
    shown_only: bool = False
    """Whether `Reading.ended` contains their connections and view time, so that only the number is used here."""


class EndedConnection(msgspec.Struct, frozen=True, kw_only=True):
    """A log line of the media server: a connection that ended, a part of one that continues, or an unreadable line."""

    connection_id: str
    """The server's id; or `@peer` where the log names the peer only, and the viewer is found by the end of its id."""
    kind: Literal["publish", "play", "other", "join", "watch", "unreadable"]
    """`join`: a viewer joined, at `ended_at`. `watch`: it watched for `duration_ms` before `ended_at`. `unreadable`:
    lines that cannot be read were written in the `duration_ms` before `ended_at`; these minutes become partial."""
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
    watched_ms: int = 0
    """View time of several viewers in the `duration_ms` before `ended_at`, for the kind `watch`; 0 for that of one."""
    refused: bool = False
    """Whether it looks like one that the server refused: it transferred no media. Unless a reading showed it, it is no
    publish and no connection; its bytes count."""
    address: str = ""
    """As `ViewerReading.address`."""
    agent: str = ""


class DrainingBoot(msgspec.Struct, frozen=True):
    """An earlier boot whose connections may continue, although no list shows them."""

    boot: str
    is_certain: bool
    """Whether it certainly still runs; else it may have ended without a line for each of its connections."""


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
    """Bytes received since the boot started, over all connections except those in `counters`. -1 where the server's
    figure is no count: the last value stands. Never so in the first reading, from which counting begins."""
    bytes_out: int = 0
    counters: tuple[CounterReading, ...] = ()
    stream_counters: tuple[StreamCounterReading, ...] | None = None
    """The streams' own counters, by which bytes of the boot are dealt; `None` where the server has none. Bytes of
    `counters` belong to the streams that these name."""
    stream_traffic: StreamTraffic = "apportioned"
    """How this source knows the bytes of streams, as in its registration."""
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
    lists_connections: bool = True
    """Whether `publishes` and `viewers` are complete. Else the server's list was unreadable: what earlier readings
    showed continues until a later reading shows whether it is still there."""
    draining: tuple[DrainingBoot, ...] = ()
    """Earlier boots that may still serve connections, as after a reload of the server. Their viewers and publishes stay
    open until their lines are in `ended`. A boot that is no longer in it has ended: its last lines are in this reading
    or in an earlier one."""
    drained: tuple[str, ...] = ()
    """Earlier boots that were in `draining` of the last reading for certain, and have ended: a reload or an upgrade,
    not a restart, replaced them."""
    continued_ids: tuple[str, ...] = ()
    """Those of `draining` and `drained` whose connection ids the present boot certainly continues, as after a reload:
    it uses none of them again. After a binary upgrade ids begin again."""
    misses: str = ""
    """Why figures since the last reading may be incomplete (`core.reasons`): the time is then covered in part only."""
    problem: str = ""
    """What an operator must change so that readings are complete, such as a log in a wrong form; empty if nothing.
    `agent check` fails with it."""
    ignored: IgnoredViewers | None = None
    """Viewers that are left out; `None` without the setting `ignore`."""
    log_lines: int = 0
    """How many lines of logs were read for it; they are in `ended` or of no interest."""
    unreadable_lines: int = 0
    """How many of them could not be read."""
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

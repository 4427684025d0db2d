"""Icecast 2.4: admin statistics and, if configured, the access log.

The statistics are read before the log, so a listener who is no longer listed has its line in this reading or in the
next. The log has no connection ids: a line is matched by address, mount and start. docs/sources/icecast.md lists what
is exact and what is bounded.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from streamusage.agent.config.sources import PasswordSection, ServerUrl, UserPath
from streamusage.agent.reading import CounterReading, EndedConnection, PublishReading, Reading, ViewerReading
from streamusage.agent.sources.common.cursors import JsonCursor
from streamusage.agent.sources.common.http_probe import (
    HttpProbe,
    HttpStatusError,
    ProbeResponse,
    basic_auth_header,
    fetch_all,
)
from streamusage.agent.sources.common.identifiers import short_digest
from streamusage.agent.sources.common.kind import SourceContext, SourceKind, password
from streamusage.agent.sources.common.log_follower import LogPosition
from streamusage.agent.sources.common.log_reader import LogReader
from streamusage.agent.sources.common.sample_time import Instant, ServerClock, ServerTime
from streamusage.agent.sources.icecast.access_log import IcecastLogLine, has_log_format, parse_line
from streamusage.agent.sources.icecast.statistics import (
    IcecastStatistics,
    Listener,
    Mount,
    mount_life_id,
    parse_listeners,
    parse_statistics,
    parse_stream,
)
from streamusage.agent.sources.icecast.visits import KnownVisits, ListedVisit, VisitLength, logged_length
from streamusage.core.clock import Clock
from streamusage.core.reasons import ICECAST_NO_LOG, ICECAST_SOURCE_LEFT, LINES_LOST
from streamusage.core.secrets import Secret

STEP_MS = 5000
"""Icecast updates the counters of a mount at this interval."""

PROTOCOL = "http"


class IcecastCursor(JsonCursor, frozen=True):
    """What the journal stores for this source."""

    position: str = ""
    """Position in the access log."""
    mounts: dict[str, int] = msgspec.field(default_factory=dict)
    """When the source of each mount connected, in seconds since 1970."""


class _ListedListener(NamedTuple):
    """A listener with its mount, and the second in which the server wrote the list."""

    path: str
    listener: Listener
    listed_s: int
    slack_ms: int
    """How much earlier the list may have been written."""

    @property
    def connected_at_s(self) -> int:
        """The second of its connect, by Icecast's clock of that time."""
        return max(0, self.listed_s - self.listener.connected_s)


class IcecastConfig(PasswordSection):
    """Icecast 2.4."""

    url: ServerUrl
    access_log: UserPath | None = None


class IcecastSource:
    """A `streamusage.agent.reading.Source`."""

    def __init__(
        self,
        url: str,
        user: str,
        password: Secret,
        access_log: Path | None,
        clock: Clock,
        *,
        timeout_seconds: float = 5.0,
    ) -> None:
        self._clock = clock
        self._password, self._user = password, user
        self._probe = HttpProbe(url, "Icecast", clock, timeout_seconds=timeout_seconds)
        self._server_clock = ServerClock(clock)
        self._visits = KnownVisits()
        self._log = None if access_log is None else LogReader(access_log, clock)

    async def close(self) -> None:
        """As `Source.close`."""
        await self._probe.close()

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        before = IcecastCursor.parse(cursor)
        position = LogPosition.parse(before.position)
        if position is None and self._log is not None:
            position = await self._log.end_position()
        statistics = parse_statistics((await self._fetch("stats")).body)
        listeners = await self._fetch_listeners(statistics)
        lines: list[IcecastLogLine] = []
        lost = False
        if self._log is not None and position is not None:
            batch = await self._log.read_lines(position)
            position, lost, lines = batch.position, batch.lost, self._parse_lines(batch.lines)
        mounts = {mount.path: mount.began_s for mount in statistics.mounts}
        at = Instant.take(self._clock)
        server_time = self._server_clock.at(at)
        ended = match_log_lines(lines, before.mounts, mounts, lambda line: self._visits.measure(line, at, server_time))
        visits = [(listed, _listed_visit(listed, server_time)) for listed in listeners]
        self._visits.add_reading(at, [visit for _, visit in visits])
        relies_on_log = self._log is not None and self._log.is_reliable
        return Reading(
            at=at.wall_ms,
            elapsed_ms=at.elapsed_ms,
            boot=str(statistics.began_s),
            started_at=(statistics.began_s + 1) * 1000,
            counters=tuple(_counter(mount) for mount in statistics.mounts),
            accepted=None if relies_on_log else statistics.listener_connections,
            publishes=tuple(_publish(mount, server_time) for mount in statistics.mounts),
            viewers=tuple(
                _viewer(listed, self._visits.age_ms(visit, at, server_time.slack_ms)) for listed, visit in visits
            ),
            age_slack_ms=server_time.slack_ms + max((listed.slack_ms for listed in listeners), default=0),
            ended=ended,
            cursor=str(IcecastCursor(str(position or ""), mounts)),
            logs_ends=relies_on_log,
            misses=_misses(relies_on_log, lost, _has_source_left(before.mounts, mounts)),
            step_ms=STEP_MS,
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        start, end = IcecastCursor.parse(from_cursor), IcecastCursor.parse(to_cursor)
        if self._log is None:
            return ()
        lines = await self._log.lines_between(LogPosition.parse(start.position), LogPosition.parse(end.position))
        return match_log_lines(self._parse_lines(lines), start.mounts, end.mounts)

    async def _fetch(self, page: str, **query: str) -> ProbeResponse:
        headers = basic_auth_header(self._user, self._password)
        response = await self._probe.get("admin", page, query=query or None, headers=headers)
        self._server_clock.observe(response)
        return response

    async def _fetch_listeners(self, statistics: IcecastStatistics) -> list[_ListedListener]:
        """Return the listeners of all mounts.

        A list has the seconds since each listener connected, which Icecast computes as the difference of two whole
        seconds. The `Date` of the list minus this figure is therefore the second of the connect, also in a late
        response and where the server's clock differs from the agent's. Without a `Date`, the agent's clock at the first
        byte is used.
        """

        async def fetch_mount(mount: Mount) -> list[_ListedListener] | None:
            try:
                response = await self._fetch("listclients", mount=mount.path)
            except HttpStatusError as error:
                if error.status in (400, 404):
                    return None  # its source disconnected after the statistics were read
                raise
            listed_s, slack_ms = response.date_s, 0
            if listed_s is None:
                listed_s = Instant.take(self._clock).wall_at(response.first_byte_ms) // 1000
                slack_ms = response.slack_ms
            listeners = parse_listeners(response.body)
            return [_ListedListener(mount.path, listener, listed_s, slack_ms) for listener in listeners]

        lists = await fetch_all(fetch_mount, (mount for mount in statistics.mounts if mount.listeners))
        return [listed for of_mount in lists for listed in of_mount]

    def _parse_lines(self, lines: list[bytes]) -> list[IcecastLogLine]:
        if self._log is not None:
            unreadable = sum(not has_log_format(line) for line in lines)
            self._log.warn_unreadable(unreadable, "Icecast's default access log format")
        return [parsed for line in lines if (parsed := parse_line(line)) is not None]


def match_log_lines(
    lines: Iterable[IcecastLogLine],
    mounts_before: Mapping[str, int],
    mounts_now: Mapping[str, int],
    measure: Callable[[IcecastLogLine], VisitLength] = logged_length,
) -> tuple[EndedConnection, ...]:
    """Return the connections of log lines, each with the life of its mount.

    A path that never had a source is a page, not a mount. A listener belongs to the last source that connected before
    the listener left. `mounts_before` and `mounts_now` are the mounts at both ends, as `IcecastCursor.mounts`.
    `measure` returns the length of a listener's visit.
    """
    lines = list(lines)
    lives: dict[str, set[int]] = {}
    for mounts in (mounts_before, mounts_now):
        for path, began_s in mounts.items():
            lives.setdefault(path, set()).add(began_s)
    ended = []
    for line in lines:
        if line.kind == "source":
            logged_s = line.started_s
            starts_s = lives.setdefault(line.path, set())
            nearest_s = min(starts_s, key=lambda start_s: abs(start_s - logged_s), default=logged_s)
            began_s = nearest_s if abs(nearest_s - logged_s) <= 2 else logged_s
            starts_s.add(began_s)
            ended.append(_ended_connection(line, logged_length(line), "publish", mount_life_id(line.path, began_s), ""))
    for line in lines:
        starts_s = lives.get(line.path, set())
        if line.kind == "listener" and starts_s:
            began_s = max((start_s for start_s in starts_s if start_s <= line.ended_s), default=min(starts_s))
            peer_id, counter = f"@{short_digest(line.ip)}", mount_life_id(line.path, began_s)
            ended.append(_ended_connection(line, measure(line), "play", peer_id, counter))
    return tuple(sorted(ended, key=lambda connection: connection.ended_at))


def _ended_connection(
    line: IcecastLogLine, length: VisitLength, kind: Literal["play", "publish"], connection_id: str, counter: str
) -> EndedConnection:
    scope, name = parse_stream(line.path)
    return EndedConnection(
        connection_id=connection_id,
        kind=kind,
        scope=scope,
        name=name,
        protocol=PROTOCOL,
        ended_at=line.ended_s * 1000,
        duration_ms=length.duration_ms,
        granularity_ms=length.granularity_ms,
        bytes_in=0,
        bytes_out=line.bytes_out if kind == "play" else 0,
        counter=counter,
    )


def _counter(mount: Mount) -> CounterReading:
    life_id = mount_life_id(mount.path, mount.began_s)
    return CounterReading(key=life_id, bytes_in=mount.bytes_in, bytes_out=mount.bytes_out)


def _publish(mount: Mount, server_time: ServerTime) -> PublishReading:
    scope, name = parse_stream(mount.path)
    return PublishReading(
        publish_id=mount_life_id(mount.path, mount.began_s),
        scope=scope,
        name=name,
        age_ms=server_time.age_ms(mount.began_s * 1000),
    )


def _listed_visit(listed: _ListedListener, server_time: ServerTime) -> ListedVisit:
    return ListedVisit(listed.listener.ip, listed.connected_at_s, server_time.age_ms(listed.connected_at_s * 1000))


def _viewer(listed: _ListedListener, age_ms: int) -> ViewerReading:
    scope, name = parse_stream(listed.path)
    listener = listed.listener
    return ViewerReading(
        viewer_id=f"{listener.listener_id}@{short_digest(listener.ip)}",
        scope=scope,
        name=name,
        protocol=PROTOCOL,
        age_ms=age_ms,
    )


def _misses(relies_on_log: bool, lines_lost: bool, source_left: bool) -> str:
    if not relies_on_log:
        return ICECAST_NO_LOG
    return LINES_LOST if lines_lost else ICECAST_SOURCE_LEFT if source_left else ""


def _has_source_left(mounts_before: Mapping[str, int], mounts_now: Mapping[str, int]) -> bool:
    return any(mounts_now.get(path) != began_s for path, began_s in mounts_before.items())


def _create(config: IcecastConfig, context: SourceContext) -> IcecastSource:
    return IcecastSource(
        config.url,
        config.user,
        password(config),
        config.access_log,
        context.clock,
        timeout_seconds=config.timeout_seconds,
    )


SOURCE = SourceKind(
    kind="icecast",
    server="Icecast 2.4",
    viewers="exact with log",
    traffic="out: exact with log; in: bounded",
    config=IcecastConfig,
    create=_create,
)

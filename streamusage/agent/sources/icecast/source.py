"""Icecast 2.4 and Icecast-KH: admin statistics and, if configured, the access log.

The statistics are read before the log, so a listener who is no longer listed has its line in this reading or in the
next. The log has no connection ids: a line is matched by address, mount and start, and never with a listener who is
still listed. docs/sources/icecast.md lists what is exact and what is bounded.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from streamusage.access_logs.icecast import IcecastLogLine, normalize_path
from streamusage.agent.config.sources import PasswordSection, ServerUrl, UserPath
from streamusage.agent.reading import SHARED, CounterReading, EndedConnection, PublishReading, Reading, ViewerReading
from streamusage.agent.sources.common.cursors import JsonCursor
from streamusage.agent.sources.common.http_probe import (
    HttpProbe,
    HttpStatusError,
    ProbeResponse,
    basic_auth_header,
    fetch_all,
)
from streamusage.agent.sources.common.identifiers import short_digest
from streamusage.agent.sources.common.ignored import IgnoringSection
from streamusage.agent.sources.common.kind import SourceContext, SourceKind, password
from streamusage.agent.sources.common.logs.agreement import REMEDY, LogAgreement
from streamusage.agent.sources.common.logs.follower import LogPosition
from streamusage.agent.sources.common.logs.reader import LogReader
from streamusage.agent.sources.common.logs.understood import LogRead, UnderstoodLog
from streamusage.agent.sources.common.sample_time import Instant, ServerClock, ServerTime
from streamusage.agent.sources.icecast.access_log import FORM, parse_lines
from streamusage.agent.sources.icecast.lives import UNKNOWN_END_S, MountLives
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
from streamusage.client.http_options import HttpOptions
from streamusage.core.clock import Clock
from streamusage.core.reasons import COUNTER_INVALID, ICECAST_NO_LOG, ICECAST_SOURCE_LEFT
from streamusage.core.secrets import Secret

STEP_MS = 5000
"""Icecast updates the counters of a mount at this interval."""

PROTOCOL = "http"

LEAST_SHARE_MISSING = 0.25
"""Of the listeners who left by the server's count, more than this share must lack a line for a disagreement."""

MAY_DIFFER_S = 10
"""How far the connects of a list and of a line may differ, at most, for one listener."""

KEEP_LEFT_S = 24 * 3600
"""How long a mount whose source has left is remembered."""


class IcecastCursor(JsonCursor, frozen=True):
    """What the journal stores for this source."""

    position: str = ""
    """Position in the access log."""
    mounts: dict[str, int] = msgspec.field(default_factory=dict)
    """When the source of each mount connected, in seconds since 1970."""
    left: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)
    """The same of mounts whose source has left, and when it had at the latest: listeners may still be on a fallback."""
    since_s: int = 0
    """When counting began, in seconds since 1970. Listeners who moved before are known by the counters only."""

    def advance(self, position: LogPosition | None, mounts: dict[str, int], now_s: int) -> "IcecastCursor":
        """Return the cursor at a later position, with the mounts of then."""
        left = {path: life for path, life in self.left.items() if path not in mounts and now_s - life[1] < KEEP_LEFT_S}
        left |= {path: (began_s, now_s) for path, began_s in self.mounts.items() if path not in mounts}
        return IcecastCursor(str(position or ""), mounts, left, self.since_s or now_s)


class _ListedListener(NamedTuple):
    """A listener with its mount, and the second in which the server wrote the list."""

    path: str
    listener: Listener
    listed_s: int
    slack_ms: int
    """How much earlier the list may have been written."""

    @property
    def connected_at_s(self) -> int | None:
        """The second of its connect, by Icecast's clock of that time; None where the list does not have it."""
        connected_s = self.listener.connected_s
        return None if connected_s is None else max(0, self.listed_s - connected_s)


class IcecastConfig(PasswordSection, IgnoringSection):
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
        options: HttpOptions | None = None,
    ) -> None:
        self._clock = clock
        self._password, self._user = password, user
        self._probe = HttpProbe(url, "Icecast", clock, options=options)
        self._server_clock = ServerClock(clock)
        self._visits = KnownVisits()
        self._explained = 0
        """Listeners that lines of the log reported, in this run of the agent."""
        self._agreement = LogAgreement(LEAST_SHARE_MISSING)
        self._log = (
            None
            if access_log is None
            else UnderstoodLog(LogReader(access_log, clock), clock, parse_lines, FORM, ICECAST_NO_LOG)
        )

    async def close(self) -> None:
        """As `Source.close`."""
        await self._probe.close()

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        before = IcecastCursor.parse(cursor)
        position = LogPosition.parse(before.position)
        if self._log is not None:
            position = await self._log.start(position)
        statistics = parse_statistics((await self._fetch("stats")).body)
        listeners = await self._fetch_listeners(statistics)
        log: LogRead[IcecastLogLine] = LogRead([], (), position, False, ICECAST_NO_LOG, "")
        if self._log is not None:
            log = await self._log.read(position)
        mounts = {mount.path: mount.began_s for mount in statistics.mounts}
        at = Instant.take(self._clock)
        if log.values and may_be_of_listed(log.values, [(one.listener.ip, one.connected_at_s) for one in listeners]):
            listeners = await self._without_those_who_left(statistics, listeners)
        server_time = self._server_clock.at(at)
        now_s = server_time.high_ms // 1000
        ended = match_log_lines(
            log.values, before, mounts, now_s, self._visits, lambda line: self._visits.measure(line, at, server_time)
        )
        disagreement = self._compare(statistics, len(listeners), ended, log, at)
        visits = [(listed, _listed_visit(listed, server_time)) for listed in listeners]
        self._visits.add_reading(at, [visit for _, visit in visits])
        return Reading(
            at=at.wall_ms,
            elapsed_ms=at.elapsed_ms,
            boot=str(statistics.began_s),
            started_at=(statistics.began_s + 1) * 1000,
            counters=(_SHARED_COUNTER, *(_counter(mount) for mount in statistics.mounts)),
            stream_traffic="measured",
            accepted=None if log.logs_ends else statistics.listener_connections,
            publishes=tuple(_publish(mount, server_time) for mount in statistics.mounts),
            viewers=tuple(
                _viewer(listed, self._visits.age_ms(visit, at, server_time.slack_ms)) for listed, visit in visits
            ),
            age_slack_ms=server_time.slack_ms + max((listed.slack_ms for listed in listeners), default=0),
            ended=(*ended, *log.unreadable),
            log_lines=log.lines,
            unreadable_lines=log.unreadable_lines,
            cursor=str(before.advance(log.position, mounts, now_s)),
            logs_ends=log.logs_ends,
            misses=log.misses or disagreement or _misses(statistics, _has_source_left(before.mounts, mounts)),
            problem=log.problem or (f"{disagreement}; {REMEDY}" if disagreement else ""),
            step_ms=STEP_MS,
        )

    def _compare(
        self,
        statistics: IcecastStatistics,
        listed: int,
        ended: tuple[EndedConnection, ...],
        log: LogRead[IcecastLogLine],
        at: Instant,
    ) -> str:
        """Return the reason if the log does not explain the server's own count of listeners; empty if it does."""
        if self._log is None or not log.logs_ends:
            self._agreement.forget()
            return ""
        self._explained += sum(connection.kind == "play" for connection in ended)
        if statistics.listener_connections is None:
            return ""
        left = statistics.listener_connections - max(listed, statistics.listeners or 0)
        boot = str(statistics.began_s)
        return self._agreement.observe(boot, at.elapsed_ms, left, self._explained, self._log.has_lines)

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        start, end = IcecastCursor.parse(from_cursor), IcecastCursor.parse(to_cursor)
        if self._log is None:
            return ()
        lines, unreadable = await self._log.read_between(
            LogPosition.parse(start.position), LogPosition.parse(end.position)
        )
        return (*match_log_lines(lines, start, end.mounts), *unreadable)

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

        mounts = [mount for mount in statistics.mounts if mount.listeners != 0]
        return [listed for of_mount in await fetch_all(fetch_mount, mounts) for listed in of_mount]

    async def _without_those_who_left(
        self, statistics: IcecastStatistics, listeners: list[_ListedListener]
    ) -> list[_ListedListener]:
        """Return the listeners who are still listed after the log was read: none of its lines is of one of them.

        Icecast removes a listener from its list before it writes the line. An id is unique among all mounts.
        """
        present = {one.listener.listener_id for one in await self._fetch_listeners(statistics)}
        return [one for one in listeners if one.listener.listener_id in present]


def may_be_of_listed(lines: Iterable[IcecastLogLine], listed: Iterable[tuple[str, int | None]]) -> bool:
    """Return whether a line may be of a listener on a list: those are addresses and seconds of the connect."""
    connects: dict[str, set[int | None]] = {}
    for ip, connected_s in listed:
        connects.setdefault(ip, set()).add(connected_s)
    return any(
        line.kind == "listener"
        and not connects.get(line.ip, set()).isdisjoint(
            [None, *range(line.started_s - MAY_DIFFER_S, line.started_s + MAY_DIFFER_S + 1)]
        )
        for line in lines
    )


def match_log_lines(
    lines: Iterable[IcecastLogLine],
    before: IcecastCursor,
    mounts_now: Mapping[str, int],
    now_s: int = UNKNOWN_END_S,
    visits: KnownVisits | None = None,
    measure: Callable[[IcecastLogLine], VisitLength] = logged_length,
) -> tuple[EndedConnection, ...]:
    """Return the connections of log lines, each with the life of its mount, or as one that was on several.

    A path that never had a source is a page, not a mount, unless a list showed its listener: then it has a fallback.
    `before` is the cursor at the start of the lines, `mounts_now` the mounts at their end, `measure` returns the length
    of a listener's visit.
    """
    lines = list(lines)
    since_s = before.since_s or now_s  # a cursor of an earlier version has no start of counting
    lives = MountLives()
    lives.add_ended(before.left)
    lives.add_ended(
        {path: (began_s, now_s) for path, began_s in before.mounts.items() if mounts_now.get(path) != began_s}
    )
    lives.add_present({path: began_s for path, began_s in before.mounts.items() if mounts_now.get(path) == began_s})
    lives.add_present(mounts_now)
    ended = []
    for line in lines:
        if line.kind == "source":
            began_s = lives.end_source(line)
            path = lives.path_of(line)
            ended.append(_ended_connection(line, path, logged_length(line), mount_life_id(path, began_s), ""))
    for line in lines:
        if line.kind != "listener" or not (lives.is_mount(line) or (visits is not None and visits.was_listed(line))):
            continue
        moved = visits is not None and visits.was_elsewhere(line)
        counter = SHARED if moved else lives.life_of(line) or SHARED
        if counter == SHARED and line.started_s < since_s:
            line = line._replace(bytes_out=0)  # the counters from then on have what was sent since
        ended.append(_ended_connection(line, lives.path_of(line), measure(line), f"@{short_digest(line.ip)}", counter))
    return tuple(sorted(ended, key=lambda connection: connection.ended_at))


def _ended_connection(
    line: IcecastLogLine, path: str, length: VisitLength, connection_id: str, counter: str
) -> EndedConnection:
    scope, name = parse_stream(path)
    return EndedConnection(
        connection_id=connection_id,
        kind="play" if line.kind == "listener" else "publish",
        scope=scope,
        name=name,
        protocol=PROTOCOL,
        ended_at=line.ended_s * 1000,
        duration_ms=length.duration_ms,
        granularity_ms=length.granularity_ms,
        bytes_in=0,
        bytes_out=line.bytes_out if line.kind == "listener" else 0,
        counter=counter,
        address=line.ip,
        agent=line.agent,
    )


_SHARED_COUNTER = CounterReading(key=SHARED, bytes_in=0, bytes_out=0)


def _counter(mount: Mount) -> CounterReading:
    life_id = mount_life_id(mount.path, mount.began_s)
    scope, name = parse_stream(mount.path)
    return CounterReading(key=life_id, bytes_in=mount.bytes_in, bytes_out=mount.bytes_out, scope=scope, name=name)


def _publish(mount: Mount, server_time: ServerTime) -> PublishReading:
    scope, name = parse_stream(mount.path)
    return PublishReading(
        publish_id=mount_life_id(mount.path, mount.began_s),
        scope=scope,
        name=name,
        age_ms=server_time.age_ms(mount.began_s * 1000),
    )


def _listed_visit(listed: _ListedListener, server_time: ServerTime) -> ListedVisit:
    connected_s = listed.connected_at_s
    return ListedVisit(
        listed.listener.listener_id,
        listed.listener.ip,
        normalize_path(listed.path),
        connected_s,
        0 if connected_s is None else server_time.age_ms(connected_s * 1000),
    )


def _viewer(listed: _ListedListener, age_ms: int) -> ViewerReading:
    scope, name = parse_stream(listed.path)
    listener = listed.listener
    return ViewerReading(
        viewer_id=f"{listener.listener_id}@{short_digest(listener.ip)}",
        scope=scope,
        name=name,
        protocol=PROTOCOL,
        age_ms=age_ms,
        address=listener.ip,
        agent=listener.agent,
    )


def _misses(statistics: IcecastStatistics, source_left: bool) -> str:
    return ICECAST_SOURCE_LEFT if source_left else "" if statistics.is_valid else COUNTER_INVALID


def _has_source_left(mounts_before: Mapping[str, int], mounts_now: Mapping[str, int]) -> bool:
    return any(mounts_now.get(path) != began_s for path, began_s in mounts_before.items())


def _create(config: IcecastConfig, context: SourceContext) -> IcecastSource:
    return IcecastSource(
        config.url,
        config.user,
        password(config),
        config.access_log,
        context.clock,
        options=config.http_options,
    )


SOURCE = SourceKind(
    kind="icecast",
    server="Icecast 2.4, Icecast-KH",
    viewers="exact with log",
    traffic="out: exact with log; in: bounded",
    config=IcecastConfig,
    create=_create,
    stream_traffic="measured",
)

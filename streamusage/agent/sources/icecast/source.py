"""Icecast 2.4, read by its admin statistics and, where it is given, its access log.

The statistics are read first and the log after them, so that a listener who is gone has its line in this reading or
the next. The log knows no ids: a line is matched by address, mount and start. What is exact here and what is bounded
stands in docs/sources/icecast.md.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from streamusage.agent.config.secrets import Secret
from streamusage.agent.reading import CounterReading, EndedConnection, PublishReading, Reading, ViewerReading
from streamusage.agent.sources.common.cursors import JsonCursor
from streamusage.agent.sources.common.http_probe import (
    Answered,
    Asker,
    StatusError,
    answers_of,
    basic_auth,
    digest_of,
)
from streamusage.agent.sources.common.log_follower import LogPosition
from streamusage.agent.sources.common.log_reader import LogReader
from streamusage.agent.sources.icecast.access_log import LogLine, is_line, parse_line
from streamusage.agent.sources.icecast.statistics import (
    Listener,
    Mount,
    Stats,
    life_of,
    parse_listeners,
    parse_stats,
    stream_of,
)
from streamusage.core.clock import Clock
from streamusage.core.reasons import ICECAST_NO_LOG, ICECAST_SOURCE_LEFT, LINES_LOST

STEP_MS = 5000
"""The counters of a mount move once in this time."""

PROTOCOL = "http"


class IcecastCursor(JsonCursor, frozen=True):
    """What the journal keeps for this source: the place in the log, and since when each mount has its source."""

    position: str = ""
    mounts: dict[str, int] = msgspec.field(default_factory=dict)


class IcecastSource:
    """An `agent.source.Source`."""

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
        self._asker = Asker(url, "Icecast", timeout_seconds=timeout_seconds)
        self._log = None if access_log is None else LogReader(access_log, clock)

    async def close(self) -> None:
        await self._asker.close()

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        before = IcecastCursor.parse(cursor)
        position = LogPosition.parse(before.position)
        if position is None and self._log is not None:
            position = await self._log.end()
        stats = parse_stats((await self._ask("stats")).body)
        viewers = await self._viewers(stats)
        lines: list[LogLine] = []
        lost = False
        if self._log is not None and position is not None:
            read = await self._log.read(position)
            position, lost, lines = read.position, read.lost, self._lines(read.lines)
        at = self._clock.now_ms()
        mounts = {mount.path: mount.began_s for mount in stats.mounts}
        relies_on_log = self._log is not None and self._log.is_there
        return Reading(
            at=at,
            boot=str(stats.began_s),
            started_at=(stats.began_s + 1) * 1000,
            counters=tuple(_counter(mount) for mount in stats.mounts),
            accepted=None if relies_on_log else stats.listener_connections,
            publishes=tuple(_publish(mount, at) for mount in stats.mounts),
            viewers=tuple(_viewer(path, listener, looked_s, at) for path, listener, looked_s in viewers),
            ended=ended_of(lines, before.mounts, mounts),
            cursor=str(IcecastCursor(str(position or ""), mounts)),
            logs_ends=relies_on_log,
            misses=_misses(relies_on_log, lost, _has_left(before.mounts, mounts)),
            step_ms=STEP_MS,
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        start, end = IcecastCursor.parse(from_cursor), IcecastCursor.parse(to_cursor)
        if self._log is None:
            return ()
        raw = await self._log.between(LogPosition.parse(start.position), LogPosition.parse(end.position))
        return ended_of(self._lines(raw), start.mounts, end.mounts)

    async def _ask(self, page: str, **query: str) -> Answered:
        headers = basic_auth(self._user, self._password)
        return await self._asker.answer("GET", ("admin", page), query=query or None, headers=headers)

    async def _viewers(self, stats: Stats) -> list[tuple[str, Listener, int]]:
        """Every listener with its mount and the second in which the server looked.

        An answer may come late. Its `Date` says when it was made, unless the server's clock is not the agent's.
        """

        async def of(mount: Mount) -> list[tuple[str, Listener, int]] | None:
            asked_s = self._clock.now_ms() // 1000
            try:
                answer = await self._ask("listclients", mount=mount.path)
            except StatusError as error:
                if error.status in (400, 404):
                    return None  # its source left since the statistics were read
                raise
            answered_s = self._clock.now_ms() // 1000
            date_s = answer.date_s
            looked_s = date_s if date_s is not None and asked_s <= date_s <= answered_s else asked_s
            return [(mount.path, listener, looked_s) for listener in parse_listeners(answer.body)]

        found = await answers_of(of, (mount for mount in stats.mounts if mount.listeners))
        return [each for of_mount in found for each in of_mount]

    def _lines(self, raw: list[bytes]) -> list[LogLine]:
        if self._log is not None:
            strange = sum(not is_line(line) for line in raw)
            self._log.unreadable(strange, "the access log that Icecast writes by itself")
        return [line for each in raw if (line := parse_line(each)) is not None]


def ended_of(
    lines: Iterable[LogLine], before: Mapping[str, int], now: Mapping[str, int]
) -> tuple[EndedConnection, ...]:
    """Lines of sources and of their listeners, each with the life of the mount that it belongs to.

    A path that never had a source is no mount but a page. A listener belongs to the last source that came before it
    left.
    """
    lines = list(lines)
    lives: dict[str, set[int]] = {}
    for known in (before, now):
        for path, began_s in known.items():
            lives.setdefault(path, set()).add(began_s)
    ended = []
    for line in lines:
        if line.kind == "source":
            told_s = line.ended_s - line.lasted_s
            of_path = lives.setdefault(line.path, set())
            nearest_s = min(of_path, key=lambda known_s: abs(known_s - told_s), default=told_s)
            began_s = nearest_s if abs(nearest_s - told_s) <= 2 else told_s
            of_path.add(began_s)
            ended.append(_ended(line, "publish", life_of(line.path, began_s), ""))
    for line in lines:
        of_path = lives.get(line.path, set())
        if line.kind == "listener" and of_path:
            began_s = max((known for known in of_path if known <= line.ended_s), default=min(of_path))
            ended.append(_ended(line, "play", f"@{digest_of(line.ip)}", life_of(line.path, began_s)))
    return tuple(sorted(ended, key=lambda each: each.ended_at))


def _ended(line: LogLine, kind: Literal["play", "publish"], connection_id: str, counter: str) -> EndedConnection:
    scope, name = stream_of(line.path)
    return EndedConnection(
        connection_id=connection_id,
        kind=kind,
        scope=scope,
        name=name,
        protocol=PROTOCOL,
        ended_at=line.ended_s * 1000,
        duration_ms=min(line.lasted_s, line.ended_s) * 1000,
        granularity_ms=1000,
        bytes_in=0,
        bytes_out=line.bytes_out if kind == "play" else 0,
        counter=counter,
    )


def _counter(mount: Mount) -> CounterReading:
    return CounterReading(key=life_of(mount.path, mount.began_s), bytes_in=mount.bytes_in, bytes_out=mount.bytes_out)


def _publish(mount: Mount, at: int) -> PublishReading:
    scope, name = stream_of(mount.path)
    return PublishReading(
        publish_id=life_of(mount.path, mount.began_s),
        scope=scope,
        name=name,
        age_ms=max(0, at - mount.began_s * 1000),
    )


def _viewer(path: str, listener: Listener, looked_s: int, at: int) -> ViewerReading:
    scope, name = stream_of(path)
    return ViewerReading(
        viewer_id=f"{listener.listener_id}@{digest_of(listener.ip)}",
        scope=scope,
        name=name,
        protocol=PROTOCOL,
        age_ms=max(0, at - max(0, looked_s - listener.connected_s) * 1000),
    )


def _misses(relies_on_log: bool, lines_lost: bool, source_left: bool) -> str:
    if not relies_on_log:
        return ICECAST_NO_LOG
    return LINES_LOST if lines_lost else ICECAST_SOURCE_LEFT if source_left else ""


def _has_left(before: Mapping[str, int], now: Mapping[str, int]) -> bool:
    return any(now.get(path) != began_s for path, began_s in before.items())

"""Node-Media-Server 4: its statistics and, if the server sends them to the agent, its callbacks; or version 2.

The version is found at the first reading: version 2 has no login. Its reading is in `version2`.

Traffic comes from the process's own counters and is exact. The list of sessions does not name their streams; callbacks
do. Without callbacks only the number of a stream's subscribers is known. docs/sources/node-media-server.md lists what
is exact and what is bounded.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import msgspec

from streamusage.agent.config.sources import PasswordSection, ServerUrl
from streamusage.agent.reading import (
    AudienceReading,
    EndedConnection,
    PublishReading,
    Reading,
    SourceError,
    ViewerReading,
)
from streamusage.agent.sources.common.callbacks.forward import CallbackForward, CallbackSection
from streamusage.agent.sources.common.callbacks.reader import CallbackReader, SessionEnds
from streamusage.agent.sources.common.callbacks.spool import CallbackSpool
from streamusage.agent.sources.common.cursors import JsonCursor
from streamusage.agent.sources.common.figures import FigureChecker
from streamusage.agent.sources.common.http_probe import HttpProbe, HttpStatusError, ProbeResponse
from streamusage.agent.sources.common.identifiers import limit_id, limit_name, normalize_protocol, short_digest
from streamusage.agent.sources.common.ignored import IgnoringSection
from streamusage.agent.sources.common.kind import SourceContext, SourceKind, password
from streamusage.agent.sources.common.logs.follower import LogPosition
from streamusage.agent.sources.common.payloads import decode_json
from streamusage.agent.sources.common.sample_time import Instant, ServerClock, ServerTime
from streamusage.agent.sources.node_media_server.answers import (
    NmsLoginResponse,
    NmsSession,
    NmsSessionsResponse,
    NmsStatisticsResponse,
    NmsStream,
    NmsStreamsResponse,
)
from streamusage.agent.sources.node_media_server.callbacks import (
    NmsOpenSessions,
    OpenPlay,
    call_of,
    publish_id,
    publishes_nothing,
)
from streamusage.agent.sources.node_media_server.version2 import Version2Reader
from streamusage.client.http_options import HttpOptions
from streamusage.core.addresses import Address
from streamusage.core.clock import Clock, SystemClock
from streamusage.core.reasons import NODE_NO_CALLBACKS
from streamusage.core.secrets import Secret

LOG = logging.getLogger(__name__)

UNKNOWN_BYTES = -1
"""As `Reading.bytes_in`."""

LOGIN_RETRY_MS = 240_000
"""Pause after a refused login: five refusals within a quarter of an hour lock the account."""


TIMESTAMP_UNIT_MS = UPTIME_UNIT_MS = 1
"""Times and uptime in `/stats` are exact to the millisecond."""


class NodeMediaServerCursor(JsonCursor, frozen=True):
    """What the journal stores for this source."""

    boot: str = ""
    pid: int = 0
    uptime_ms: int = 0
    position: str = ""
    """Position in the spool of callbacks."""


class NodeMediaServerConfig(PasswordSection, CallbackSection, IgnoringSection):
    """Node-Media-Server 4 or 2."""

    url: ServerUrl

    KNOWS_AGENTS: ClassVar[bool] = False


class NodeMediaServerSource:
    """A `streamusage.agent.reading.Source`. The first reading starts the listener for callbacks."""

    def __init__(
        self,
        url: str,
        user: str,
        password: Secret,
        notify_listen: Address | None,
        spool_path: Path,
        clock: Clock,
        *,
        options: HttpOptions | None = None,
        forward: CallbackForward | None = None,
    ) -> None:
        self._clock = clock
        self._user, self._password = user, password
        self._probe = HttpProbe(url, "Node-Media-Server", clock, options=options)
        self._callbacks = (
            None
            if notify_listen is None
            else CallbackReader(
                CallbackSpool(notify_listen, spool_path, SystemClock(), forward=forward, call_of=call_of),
                NmsOpenSessions,
            )
        )
        self._server_clock = ServerClock(clock)
        self._figures = FigureChecker("Node-Media-Server")
        self._token = ""
        self._login_refused_ms: int | None = None
        self._version2 = Version2Reader(self._probe, user, password, clock)
        self._is_version2 = False
        self._warned_of_callbacks = False

    async def close(self) -> None:
        """As `Source.close`."""
        if self._callbacks is not None:
            await self._callbacks.close()
        await self._probe.close()

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        if not self._is_version2 and not self._token:
            await self._find_version()
        if not self._is_version2:
            try:
                return await self._read_version4(cursor)
            except HttpStatusError as error:
                if error.status == 404:
                    self._token = ""  # another version may respond now: the next reading finds out
                raise
        try:
            return await self._version2.read(cursor)
        except HttpStatusError as error:
            if error.status != 404:
                raise
            self._is_version2 = False  # the next reading looks for the version again
            raise SourceError(
                f"{error}. Neither the interface of Node-Media-Server 4 (/api/v1/login) nor that of version 2 "
                "(/api/server) responds: `url` must be that of the server's HTTP port, and version 2 must not have "
                "`http.api: false`"
            ) from None

    async def _find_version(self) -> None:
        """Log in to a server of version 4, or find that it is version 2, which has no login."""
        try:
            await self._log_in()
        except HttpStatusError as error:
            if error.status != 404 and not _asks_for_basic(error):
                raise
            self._is_version2 = True
            if self._callbacks is not None and not self._warned_of_callbacks:
                self._warned_of_callbacks = True
                LOG.warning(
                    "no_callbacks url=%s detail='this is Node-Media-Server 2, which sends no callbacks: notify_listen "
                    "is not used, players are read from its list'",
                    self._probe.url,
                )

    async def _read_version4(self, cursor: str | None) -> Reading:
        before = NodeMediaServerCursor.parse(cursor)
        stored_position = LogPosition.parse(before.position)
        position = None if self._callbacks is None else await self._callbacks.start(stored_position)
        sessions_body = (await self._fetch("sessions")).body
        sessions = decode_json(sessions_body, NmsSessionsResponse, "/api/v1/sessions").data.sessions
        streams_body = (await self._fetch("streams")).body
        streams = decode_json(streams_body, NmsStreamsResponse, "/api/v1/streams").data.streams
        response = await self._fetch("stats")
        statistics = decode_json(response.body, NmsStatisticsResponse, "/api/v1/stats").data
        bytes_in = self._figures.count(statistics.network.in_bytes, "network.inBytes")
        bytes_out = self._figures.count(statistics.network.out_bytes, "network.outBytes")
        if cursor is None and (bytes_in is None or bytes_out is None):
            raise SourceError(
                "/api/v1/stats: the byte counters are no counts (negative, or above 2^53), and counting cannot begin "
                "without them; the next reading tries again; restart Node-Media-Server if this lasts"
            )
        server_ms = _parse_time_ms(statistics.timestamp)
        if server_ms is None:
            self._server_clock.observe(response)
        else:
            self._server_clock.observe_time(response, server_ms, TIMESTAMP_UNIT_MS)
        uptime_ms = int(min(max(0.0, statistics.server.uptime), 1e10) * 1000)
        # The server takes both figures at once, so that their difference depends on no delay and no clock of the agent.
        now_ms = self._server_clock.at(Instant.take(self._clock)).high_ms if server_ms is None else server_ms
        started_at = max(0, now_ms - uptime_ms)
        boot = self._boot_name(before, statistics.server.pid, uptime_ms, started_at)
        ends = SessionEnds((), None, False, NODE_NO_CALLBACKS)
        if self._callbacks is not None and position is not None:
            ends = await self._callbacks.read_ends(stored_position, position)
        at = Instant.take(self._clock)
        server_time = self._server_clock.at(at)
        plays = None if self._callbacks is None else self._callbacks.open_sessions.plays
        return Reading(
            at=at.wall_ms,
            elapsed_ms=at.elapsed_ms,
            boot=boot,
            started_at=started_at,
            bytes_in=UNKNOWN_BYTES if bytes_in is None else bytes_in,
            bytes_out=UNKNOWN_BYTES if bytes_out is None else bytes_out,
            publishes=tuple(_publish(stream, server_time) for stream in streams if _is_on_air(stream)),
            viewers=() if plays is None else _viewers(plays, sessions, streams, server_time),
            audiences=() if plays is not None else tuple(self._audience(stream) for stream in streams),
            age_slack_ms=server_time.slack_ms,
            uptime_ms=uptime_ms + at.elapsed_ms - response.first_byte_ms,
            uptime_granularity_ms=UPTIME_UNIT_MS + response.slack_ms,
            ended=ends.ended,
            cursor=str(NodeMediaServerCursor(boot, statistics.server.pid, uptime_ms, str(ends.position or ""))),
            logs_ends=ends.logs_ends,
            misses=self._figures.take_reason(ends.misses),
        )

    def _audience(self, stream: NmsStream) -> AudienceReading:
        return AudienceReading(
            key=short_digest(stream.app, stream.name),
            scope=limit_name(stream.app),
            name=limit_name(stream.name),
            protocol="unknown",
            viewers=self._figures.count(stream.subscribers, "subscribers"),
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        if self._callbacks is None or self._is_version2:
            return ()
        start, end = NodeMediaServerCursor.parse(from_cursor), NodeMediaServerCursor.parse(to_cursor)
        return await self._callbacks.ends_between(LogPosition.parse(start.position), LogPosition.parse(end.position))

    def _boot_name(self, before: NodeMediaServerCursor, pid: int, uptime_ms: int, started_at: int) -> str:
        """Return the name of the process's life. It stays the same while the uptime of the same pid grows.

        A new process is named by its start to ten seconds, because a start computed from each response varies.
        """
        if before.boot and before.pid == pid and uptime_ms >= before.uptime_ms:
            return before.boot
        return f"{pid}-{(started_at + 5000) // 10_000}"

    async def _fetch(self, resource: str) -> ProbeResponse:
        """Return the response of `/api/v1/RESOURCE`, with a new login if the token has expired."""
        if not self._token:
            await self._log_in()
        try:
            return await self._probe.get("api", "v1", resource, headers={"Authorization": f"Bearer {self._token}"})
        except HttpStatusError as error:
            if error.status != 401:
                raise
        await self._log_in()
        return await self._probe.get("api", "v1", resource, headers={"Authorization": f"Bearer {self._token}"})

    async def _log_in(self) -> None:
        now_ms = self._clock.elapsed_ms()
        if self._login_refused_ms is not None and now_ms - self._login_refused_ms < LOGIN_RETRY_MS:
            raise SourceError(
                f"{self._probe.url} refused the login of {self._user}; the agent retries every "
                f"{LOGIN_RETRY_MS // 60_000} minutes, since five refusals lock the account; correct the password"
            )
        self._token = ""
        body = msgspec.json.encode({"username": self._user, "password": self._password()})
        try:
            response = await self._probe.send_request(
                "POST", ("api", "v1", "login"), headers={"Content-Type": "application/json"}, body=body
            )
        except HttpStatusError as error:
            if error.status in (400, 401, 403, 429) and not _asks_for_basic(error):
                self._login_refused_ms = now_ms
            raise
        self._login_refused_ms = None
        token = decode_json(response.body, NmsLoginResponse, "/api/v1/login").data.token
        if not token.isascii() or not token.isprintable():
            raise SourceError("/api/v1/login returned an invalid token")
        self._token = token


def _asks_for_basic(error: HttpStatusError) -> bool:
    """Return whether version 2 refused the login of version 4: it protects all of `/api` with Basic authentication."""
    return error.status == 401 and "basic" in error.schemes


def _parse_time_ms(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _viewers(
    plays: Mapping[str, OpenPlay], sessions: list[NmsSession], streams: list[NmsStream], server_time: ServerTime
) -> tuple[ViewerReading, ...]:
    """Return the playing sessions whose stream is known."""
    players = {limit_id(session.id): session for session in sessions if not session.is_publisher and session.ip}
    known_streams = [play.stream for player_id, play in plays.items() if player_id in players and play.allowed]
    viewers = [
        _viewer(player_id, session, plays[player_id].stream, server_time)
        for player_id, session in players.items()
        if player_id in plays and plays[player_id].allowed
    ]
    # The callback of a session was lost: its stream is certain if exactly one stream lacks as many viewers as there are
    # sessions without a callback.
    unnamed = [(player_id, session) for player_id, session in players.items() if player_id not in plays]
    incomplete = [
        (stream, missing)
        for stream in streams
        if (missing := stream.subscribers - known_streams.count((limit_name(stream.app), limit_name(stream.name)))) > 0
    ]
    if len(incomplete) == 1 and incomplete[0][1] == len(unnamed):
        stream = incomplete[0][0]
        scope_and_name = limit_name(stream.app), limit_name(stream.name)
        viewers += [_viewer(player_id, session, scope_and_name, server_time) for player_id, session in unnamed]
    return tuple(viewers)


def _is_on_air(stream: NmsStream) -> bool:
    """Return whether a stream has a publisher that sends media."""
    if stream.status != "publishing":
        return False
    received = None if stream.publisher is None else stream.publisher.in_bytes
    return not isinstance(received, int) or not publishes_nothing(received, stream.app, stream.name)


def _publish(stream: NmsStream, server_time: ServerTime) -> PublishReading:
    created_ms = 0 if stream.publisher is None else stream.publisher.create_time
    return PublishReading(
        publish_id=publish_id(stream.app, stream.name, created_ms),
        scope=limit_name(stream.app),
        name=limit_name(stream.name),
        age_ms=server_time.age_ms(created_ms) if created_ms else 0,
    )


def _viewer(viewer_id: str, session: NmsSession, stream: tuple[str, str], server_time: ServerTime) -> ViewerReading:
    scope, name = stream
    return ViewerReading(
        viewer_id=viewer_id,
        scope=scope,
        name=name,
        protocol=normalize_protocol(session.protocol),
        age_ms=server_time.age_ms(session.create_time),
        address=session.ip,
    )


def _create(config: NodeMediaServerConfig, context: SourceContext) -> NodeMediaServerSource:
    return NodeMediaServerSource(
        config.url,
        config.user,
        password(config),
        config.notify_listen,
        context.spool_path,
        context.clock,
        options=config.http_options,
        forward=CallbackForward.of(config),
    )


SOURCE = SourceKind(
    kind="node-media-server",
    server="Node-Media-Server 4 and 2",
    viewers="exact with callbacks (4); polled (2)",
    traffic="exact",
    config=NodeMediaServerConfig,
    create=_create,
)

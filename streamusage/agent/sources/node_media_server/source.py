"""Node-Media-Server 4, read by its statistics and, where they are sent here, its callbacks.

Traffic comes from the process's own counters, exactly. The list of sessions does not say which stream a session is of:
callbacks name it. Without callbacks only the number of a stream's subscribers is known. What is exact here and what is
bounded stands in docs/sources/node-media-server.md.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from streamusage.agent.config.secrets import Secret
from streamusage.agent.reading import (
    AudienceReading,
    EndedConnection,
    PublishReading,
    Reading,
    SourceError,
    ViewerReading,
)
from streamusage.agent.sources.common.callback_spool import HookSpool
from streamusage.agent.sources.common.callbacks import Callbacks, Told
from streamusage.agent.sources.common.cursors import JsonCursor
from streamusage.agent.sources.common.http_probe import (
    Asker,
    Count,
    StatusError,
    a_name,
    a_protocol,
    an_id,
    decoded,
    digest_of,
)
from streamusage.agent.sources.common.log_follower import LogPosition
from streamusage.agent.sources.node_media_server.callbacks import NodeMediaServerOpenSessions, Play, publish_id_of
from streamusage.core.clock import Clock
from streamusage.core.reasons import NODE_NO_CALLBACKS

LOGIN_PAUSE_MS = 240_000
"""After a login that was refused: five of them within a quarter of an hour lock the account."""


class _Server(msgspec.Struct):
    uptime: float
    pid: Count


class _Network(msgspec.Struct):
    inBytes: Count
    outBytes: Count


class _Stats(msgspec.Struct):
    server: _Server
    network: _Network


class _StatsAnswer(msgspec.Struct):
    data: _Stats


class _Session(msgspec.Struct):
    id: str
    isPublisher: bool
    protocol: str
    createTime: Count
    ip: str = ""


class _Sessions(msgspec.Struct):
    sessions: list[_Session]


class _SessionsAnswer(msgspec.Struct):
    data: _Sessions


class _Publisher(msgspec.Struct):
    id: str
    createTime: Count


class _Stream(msgspec.Struct):
    app: str
    name: str
    status: str
    subscribers: Count
    publisher: _Publisher | None = None


class _Streams(msgspec.Struct):
    streams: list[_Stream]


class _StreamsAnswer(msgspec.Struct):
    data: _Streams


class _Token(msgspec.Struct):
    token: str


class _LoginAnswer(msgspec.Struct):
    data: _Token


class NodeMediaServerCursor(JsonCursor, frozen=True):
    """What the journal keeps for this source."""

    boot: str = ""
    pid: int = 0
    uptime_ms: int = 0
    position: str = ""


class NodeMediaServerSource:
    """An `agent.source.Source`. It listens for callbacks from the first reading on."""

    def __init__(
        self,
        url: str,
        user: str,
        password: Secret,
        notify_listen: str | None,
        spool: Path,
        clock: Clock,
        *,
        timeout_seconds: float = 5.0,
    ) -> None:
        self._clock = clock
        self._user, self._password = user, password
        self._asker = Asker(url, "Node-Media-Server", timeout_seconds=timeout_seconds)
        self._callbacks = (
            None
            if notify_listen is None
            else Callbacks(HookSpool(notify_listen, spool, clock), NodeMediaServerOpenSessions)
        )
        self._token = ""
        self._login_refused_ms: int | None = None

    async def close(self) -> None:
        if self._callbacks is not None:
            await self._callbacks.close()
        await self._asker.close()

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        before = NodeMediaServerCursor.parse(cursor)
        known = LogPosition.parse(before.position)
        position = None if self._callbacks is None else await self._callbacks.start(known)
        shown = decoded(await self._ask("sessions"), _SessionsAnswer, "/api/v1/sessions").data.sessions
        streams = decoded(await self._ask("streams"), _StreamsAnswer, "/api/v1/streams").data.streams
        stats = decoded(await self._ask("stats"), _StatsAnswer, "/api/v1/stats").data
        at = self._clock.now_ms()
        uptime_ms = int(min(max(0.0, stats.server.uptime), 1e10) * 1000)
        began = max(0, at - uptime_ms)
        boot = self._boot(before, stats.server.pid, uptime_ms, began)
        told = Told((), None, False, NODE_NO_CALLBACKS)
        if self._callbacks is not None and position is not None:
            told = await self._callbacks.read(known, position)
        at = max(at, self._clock.now_ms())
        return Reading(
            at=at,
            boot=boot,
            started_at=began,
            bytes_in=stats.network.inBytes,
            bytes_out=stats.network.outBytes,
            publishes=tuple(_publish(stream, at) for stream in streams if stream.status == "publishing"),
            viewers=() if self._callbacks is None else _viewers(self._callbacks.open.plays, shown, streams, at),
            audiences=() if self._callbacks is not None else tuple(_audience(stream) for stream in streams),
            ended=told.ended,
            cursor=str(NodeMediaServerCursor(boot, stats.server.pid, uptime_ms, str(told.position or ""))),
            logs_ends=told.logs_ends,
            misses=told.misses,
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        if self._callbacks is None:
            return ()
        start, end = NodeMediaServerCursor.parse(from_cursor), NodeMediaServerCursor.parse(to_cursor)
        return await self._callbacks.between(LogPosition.parse(start.position), LogPosition.parse(end.position))

    def _boot(self, before: NodeMediaServerCursor, pid: int, uptime_ms: int, began: int) -> str:
        """A process whose uptime grows is the one that was read. A new one is named by its start, roughly, since that
        is worked out anew with every answer and wavers."""
        if before.boot and before.pid == pid and uptime_ms >= before.uptime_ms:
            return before.boot
        return f"{pid}-{(began + 5000) // 10_000}"

    async def _ask(self, what: str) -> bytes:
        if not self._token:
            await self._log_in()
        try:
            return await self._asker.get("api", "v1", what, headers={"Authorization": f"Bearer {self._token}"})
        except StatusError as error:
            if error.status != 401:
                raise
        await self._log_in()
        return await self._asker.get("api", "v1", what, headers={"Authorization": f"Bearer {self._token}"})

    async def _log_in(self) -> None:
        now = self._clock.elapsed_ms()
        if self._login_refused_ms is not None and now - self._login_refused_ms < LOGIN_PAUSE_MS:
            raise SourceError(
                f"{self._asker.url} refused the login of {self._user}; correct the password. The login is tried again "
                f"every {LOGIN_PAUSE_MS // 60_000} minutes, since five refusals lock the account"
            )
        body = msgspec.json.encode({"username": self._user, "password": self._password()})
        try:
            answered = await self._asker.answer(
                "POST", ("api", "v1", "login"), headers={"Content-Type": "application/json"}, body=body
            )
        except StatusError as error:
            if error.status in (400, 401, 403, 429):
                self._login_refused_ms = now
            raise
        self._login_refused_ms = None
        token = decoded(answered.body, _LoginAnswer, "/api/v1/login").data.token
        if not token.isascii() or not token.isprintable():
            raise SourceError("/api/v1/login answered what is no token")
        self._token = token


def _viewers(
    plays: Mapping[str, Play], shown: list[_Session], streams: list[_Stream], at: int
) -> tuple[ViewerReading, ...]:
    """The sessions that play, as far as it is known of what."""
    players = {an_id(session.id): session for session in shown if not session.isPublisher and session.ip}
    known = [play.stream for player, play in plays.items() if player in players and play.allowed]
    viewers = [
        _viewer(player, session, plays[player].stream, at)
        for player, session in players.items()
        if player in plays and plays[player].allowed
    ]
    # Whose callback was missed: certain where one stream lacks as many viewers as there are sessions without one.
    nameless = [(player, session) for player, session in players.items() if player not in plays]
    lacking = [
        (stream, missing)
        for stream in streams
        if (missing := stream.subscribers - known.count((a_name(stream.app), a_name(stream.name)))) > 0
    ]
    if len(lacking) == 1 and lacking[0][1] == len(nameless):
        stream = lacking[0][0]
        viewers += [_viewer(*each, (a_name(stream.app), a_name(stream.name)), at) for each in nameless]
    return tuple(viewers)


def _publish(stream: _Stream, at: int) -> PublishReading:
    created = 0 if stream.publisher is None else stream.publisher.createTime
    return PublishReading(
        publish_id=publish_id_of(stream.app, stream.name, created),
        scope=a_name(stream.app),
        name=a_name(stream.name),
        age_ms=max(0, at - created) if created else 0,
    )


def _viewer(viewer_id: str, session: _Session, stream: tuple[str, str], at: int) -> ViewerReading:
    scope, name = stream
    return ViewerReading(
        viewer_id=viewer_id,
        scope=scope,
        name=name,
        protocol=a_protocol(session.protocol),
        age_ms=max(0, at - session.createTime),
    )


def _audience(stream: _Stream) -> AudienceReading:
    return AudienceReading(
        key=digest_of(stream.app, stream.name),
        scope=a_name(stream.app),
        name=a_name(stream.name),
        protocol="unknown",
        viewers=stream.subscribers,
    )

"""Node-Media-Server 2: `/api/server` and `/api/streams`, with Basic authentication where the server requests it.

It has no login and sends no callbacks, but lists each player with its stream. docs/sources/node-media-server.md lists
what is exact and what is bounded.
"""

from datetime import datetime

import msgspec

from streamusage.agent.reading import CounterReading, PublishReading, Reading, SourceError, ViewerReading
from streamusage.agent.sources.common.cursors import JsonCursor
from streamusage.agent.sources.common.figures import FigureChecker
from streamusage.agent.sources.common.http_auth import ChallengedAuth
from streamusage.agent.sources.common.http_probe import HttpProbe, HttpStatusError, ProbeResponse
from streamusage.agent.sources.common.identifiers import limit_id, limit_name, normalize_protocol
from streamusage.agent.sources.common.payloads import Count, Figure, decode_json
from streamusage.agent.sources.common.sample_time import Instant, ServerClock, ServerTime
from streamusage.core.clock import Clock
from streamusage.core.reasons import POLLING_ONLY
from streamusage.core.secrets import Secret

UPTIME_UNIT_MS = 1000
"""The server's uptime has whole seconds."""

BOOT_PREFIX = "v2-"
UNKNOWN_BOOT = f"{BOOT_PREFIX}unknown"
"""A server without an uptime: its lives differ by their counters only."""

OF_VERSION2 = " of Node-Media-Server 2"

PROTOCOLS = {"http": "flv", "ws": "flv"}
"""FLV over HTTP and over WebSocket; version 4 calls both `flv`."""


class _NmsNet(msgspec.Struct):
    inbytes: Figure
    outbytes: Figure


class _NmsProcess(msgspec.Struct):
    uptime: Count
    """Whole seconds."""


class _NmsServer(msgspec.Struct):
    net: _NmsNet
    nodejs: _NmsProcess | None = None


class _NmsClient(msgspec.Struct, rename="camel"):
    client_id: str
    connect_created: str = ""
    """ISO 8601, by the server's clock."""
    protocol: str = ""
    ip: str | None = None


class _NmsStream(msgspec.Struct):
    publisher: _NmsClient | None = None
    subscribers: list[_NmsClient] = []


class Version2Cursor(JsonCursor, frozen=True):
    """What the journal stores for a server of version 2."""

    boot: str = ""
    uptime_ms: int = 0


class Version2Reader:
    """Reads a server of version 2."""

    def __init__(self, probe: HttpProbe, user: str, password: Secret, clock: Clock) -> None:
        self._probe, self._clock = probe, clock
        self._user, self._password = user, password
        self._auth: tuple[str, ChallengedAuth] | None = None
        self._server_clock = ServerClock(clock)
        self._figures = FigureChecker("Node-Media-Server 2")

    async def read(self, cursor: str | None) -> Reading:
        """Return a reading. Raises `HttpStatusError` with status 404 if the server has no such interface."""
        before = Version2Cursor.parse(cursor)
        response = await self._fetch("server")
        server = decode_json(response.body, _NmsServer, f"/api/server{OF_VERSION2}")
        # Players are listed last, so that the next counters have the bytes of each one that is listed.
        streams_body = (await self._fetch("streams")).body
        streams = decode_json(streams_body, dict[str, dict[str, _NmsStream]], f"/api/streams{OF_VERSION2}")
        at = Instant.take(self._clock)
        server_time = self._server_clock.at(at)
        uptime_ms = None if server.nodejs is None else server.nodejs.uptime * 1000
        since_response_ms = at.elapsed_ms - response.first_byte_ms
        started_at = 0 if uptime_ms is None else max(0, server_time.high_ms - uptime_ms - since_response_ms)
        boot = UNKNOWN_BOOT if uptime_ms is None else _boot_name(before, uptime_ms, started_at)
        return Reading(
            at=at.wall_ms,
            elapsed_ms=at.elapsed_ms,
            boot=boot,
            started_at=started_at,
            started_granularity_ms=UPTIME_UNIT_MS + server_time.slack_ms,
            uptime_ms=None if uptime_ms is None else uptime_ms + since_response_ms,
            uptime_granularity_ms=UPTIME_UNIT_MS + response.slack_ms,
            counters=(
                CounterReading(
                    key=f"{boot}-net",
                    bytes_in=self._figures.count(server.net.inbytes, "net.inbytes"),
                    bytes_out=self._figures.count(server.net.outbytes, "net.outbytes"),
                ),
            ),
            publishes=tuple(
                _publish(app, name, stream.publisher, server_time)
                for app, name, stream in _iterate(streams)
                if stream.publisher is not None
            ),
            viewers=tuple(
                _viewer(app, name, client, server_time)
                for app, name, stream in _iterate(streams)
                for client in stream.subscribers
            ),
            age_slack_ms=server_time.slack_ms,
            cursor=str(Version2Cursor(boot, uptime_ms or 0)),
            misses=self._figures.take_reason(POLLING_ONLY),
        )

    async def _fetch(self, resource: str) -> ProbeResponse:
        password = self._password()
        if self._auth is None or self._auth[0] != password:
            self._auth = password, ChallengedAuth(self._user, password)
        try:
            response = await self._probe.get("api", resource, auth=self._auth[1])
        except HttpStatusError as error:
            if error.status != 401:
                raise
            raise HttpStatusError(
                401,
                f"{error}. This is Node-Media-Server 2: the user is `auth.api_user` of its configuration, the password "
                "`auth.api_pass`",
                error.schemes,
            ) from None
        self._server_clock.observe(response)
        return response


def _boot_name(before: Version2Cursor, uptime_ms: int, started_at: int) -> str:
    """Return the name of the process's life: its start to ten seconds. It stays the same while the uptime grows.

    The uptime never steps. A restart after which it is longer than before, because the agent was away, shows in the
    counters, which are lower then.
    """
    if before.boot.startswith(BOOT_PREFIX) and uptime_ms >= before.uptime_ms:
        return before.boot
    return f"{BOOT_PREFIX}{(started_at + 5000) // 10_000}"


def _iterate(streams: dict[str, dict[str, _NmsStream]]) -> list[tuple[str, str, _NmsStream]]:
    return [(app, name, stream) for app, by_name in streams.items() for name, stream in by_name.items()]


def _publish(app: str, name: str, client: _NmsClient, server_time: ServerTime) -> PublishReading:
    return PublishReading(
        publish_id=limit_id(client.client_id),
        scope=limit_name(app),
        name=limit_name(name),
        age_ms=_age_ms(client, server_time),
    )


def _viewer(app: str, name: str, client: _NmsClient, server_time: ServerTime) -> ViewerReading:
    return ViewerReading(
        viewer_id=limit_id(client.client_id),
        scope=limit_name(app),
        name=limit_name(name),
        protocol=PROTOCOLS.get(client.protocol, normalize_protocol(client.protocol)),
        age_ms=_age_ms(client, server_time),
        address=client.ip or "",
    )


def _age_ms(client: _NmsClient, server_time: ServerTime) -> int:
    """Return the least possible age; 0 where the server has no start."""
    if not client.connect_created:
        return 0
    try:
        return server_time.age_ms(max(0, int(datetime.fromisoformat(client.connect_created).timestamp() * 1000)))
    except (ValueError, OverflowError):
        raise SourceError(f"/api/streams{OF_VERSION2} returned an invalid time") from None

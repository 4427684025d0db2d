"""MediaMTX, by its control API: each open connection with its byte counters.

A list is fetched as one page, which the server takes at one instant. A server that limits its pages is read page by
page, and again if the list changed meanwhile. Starts are absolute times of the server's clock, whose present time the
`Date` of the responses shows.
docs/sources/mediamtx.md lists what is exact and what is bounded.
"""

from datetime import datetime
from typing import TypeVar

import msgspec

from streamusage.agent.config.sources import OptionalPasswordSection, ServerUrl
from streamusage.agent.reading import CounterReading, PublishReading, Reading, SourceError, ViewerReading
from streamusage.agent.sources.common.figures import FigureChecker
from streamusage.agent.sources.common.http_probe import HttpProbe, HttpStatusError, PolledSource, basic_auth_header
from streamusage.agent.sources.common.identifiers import limit_id, short_digest, split_stream_path
from streamusage.agent.sources.common.ignored import IgnoringSection
from streamusage.agent.sources.common.kind import SourceContext, SourceKind, optional_password
from streamusage.agent.sources.common.payloads import Count, Figure, decode_json
from streamusage.agent.sources.common.sample_time import Instant, ServerClock, ServerTime
from streamusage.client.http_options import HttpOptions
from streamusage.core.clock import Clock
from streamusage.core.reasons import MEDIAMTX_CDN, MEDIAMTX_POLLING
from streamusage.core.secrets import Secret

ITEMS_PER_PAGE = 1_000_000
"""More than any list has. MediaMTX limits neither this number nor the page."""
MAX_PAGES = 1000
MAX_ATTEMPTS = 3

HLS_SESSIONS = "hlssessions"
"""The list that MediaMTX 1.18 and later have. Earlier versions have muxers only."""

CONNECTION_LISTS = {
    "rtmpconns": "rtmp",
    "rtmpsconns": "rtmps",
    "rtspsessions": "rtsp",
    "rtspssessions": "rtsps",
    "srtconns": "srt",
    "webrtcsessions": "webrtc",
    "moqsessions": "moq",
    HLS_SESSIONS: "hls",
}
"""The lists of connections and the protocol of each. A disabled server and an older MediaMTX lack a list."""


Item = TypeVar("Item")


class _MediaMtxPage(msgspec.Struct, rename="camel"):
    item_count: Count
    page_count: Count
    items: list[msgspec.Raw]


class _MediaMtxConnection(msgspec.Struct, rename="camel"):
    """A connection. The byte counters were renamed between versions; both names are read."""

    id: str
    created: str
    path: str = ""
    state: str = ""
    """`read` or `publish`. HLS sessions have no state; all of them read."""
    remote_addr: str | None = None
    user_agent: str | None = None
    is_cdn: bool = msgspec.field(default=False, name="isCDN")
    """Whether a CDN, by the secret that MediaMTX shares with it, opened this HLS session for all of its viewers."""
    bytes_received: Figure = 0
    bytes_sent: Figure = 0
    inbound_bytes: Figure = 0
    outbound_bytes: Figure = 0


class _MediaMtxMuxer(msgspec.Struct, rename="camel"):
    path: str
    created: str
    bytes_sent: Figure = 0
    outbound_bytes: Figure = 0


class _MediaMtxPath(msgspec.Struct, rename="camel"):
    name: str
    ready: bool = False
    ready_time: str | None = None
    online: bool | None = None
    """Whether the path has a publisher; a path that is always available is ready without one. Older servers report
    `ready` only."""
    online_time: str | None = None

    @property
    def published_since(self) -> str | None:
        """The time at which its publish began; None without a publish."""
        if self.online is None:
            return self.ready_time if self.ready else None
        return self.online_time if self.online else None


class MediaMtxConfig(OptionalPasswordSection, IgnoringSection):
    """MediaMTX."""

    url: ServerUrl


class MediaMtxSource(PolledSource):
    """A `streamusage.agent.reading.Source`."""

    def __init__(
        self, url: str, user: str | None, password: Secret | None, clock: Clock, *, options: HttpOptions | None = None
    ) -> None:
        super().__init__(HttpProbe(url, "MediaMTX", clock, options=options), clock)
        self._user, self._password = user, password
        self._server_clock = ServerClock(clock)
        self._figures = FigureChecker("MediaMTX")

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        paths = await self._fetch_list("paths", "name", _MediaMtxPath)
        connections: list[tuple[str, _MediaMtxConnection]] = []
        has_hls_sessions = False
        for name, protocol in CONNECTION_LISTS.items():
            connection_list = await self._fetch_list_if_present(name, "id", _MediaMtxConnection)
            connections += [(protocol, connection) for connection in connection_list or ()]
            has_hls_sessions |= name == HLS_SESSIONS and connection_list is not None
        muxers: list[_MediaMtxMuxer] = []
        if not has_hls_sessions:
            # The bytes of a session are also those of its muxer, which outlives it.
            muxers = await self._fetch_list_if_present("hlsmuxers", "path", _MediaMtxMuxer) or []
        has_cdn = any(connection.is_cdn for _, connection in connections)
        at = Instant.take(self._clock)
        server_time = self._server_clock.at(at)
        return Reading(
            at=at.wall_ms,
            elapsed_ms=at.elapsed_ms,
            boot="mediamtx",
            started_at=0,
            counters=(
                *(self._counter(connection) for _, connection in connections),
                *(
                    CounterReading(
                        key=f"muxer-{short_digest(muxer.path, muxer.created)}",
                        bytes_in=0,
                        bytes_out=self._count_either(muxer.bytes_sent, muxer.outbound_bytes, "bytesSent"),
                        **_stream_fields(muxer.path),
                    )
                    for muxer in muxers
                ),
            ),
            publishes=tuple(
                _publish(path.name, since, server_time) for path in paths if (since := path.published_since)
            ),
            viewers=tuple(
                _viewer(protocol, connection, server_time)
                for protocol, connection in connections
                if connection.path and (connection.state == "read" or protocol == "hls")
            ),
            stream_traffic="measured",
            age_slack_ms=server_time.slack_ms,
            cursor="mediamtx",
            misses=self._figures.take_reason(MEDIAMTX_CDN if has_cdn else MEDIAMTX_POLLING),
        )

    def _counter(self, connection: _MediaMtxConnection) -> CounterReading:
        return CounterReading(
            key=limit_id(connection.id),
            bytes_in=self._count_either(connection.bytes_received, connection.inbound_bytes, "inboundBytes"),
            bytes_out=self._count_either(connection.bytes_sent, connection.outbound_bytes, "outboundBytes"),
            **_stream_fields(connection.path),
        )

    def _count_either(self, former: Figure, present: Figure, name: str) -> int | None:
        """Return a counter by its former name or by its present one: the other is missing and 0, or the same."""
        return self._figures.count(former or present, name)

    async def _fetch_list_if_present(self, name: str, key_field: str, item_type: type[Item]) -> list[Item] | None:
        """Return a whole list; None if the server has no such list."""
        try:
            return await self._fetch_list(name, key_field, item_type)
        except HttpStatusError as error:
            if error.status != 404:
                raise
            return None

    async def _fetch_list(self, name: str, key_field: str, item_type: type[Item]) -> list[Item]:
        """Return a whole list, each item once. Fetches it again if it changed while its pages were fetched."""
        for _ in range(MAX_ATTEMPTS):
            items: dict[str, Item] = {}
            item_counts = set()
            page_number = 0
            while page_number < MAX_PAGES:
                page = await self._fetch_page(name, page_number)
                item_counts.add(page.item_count)
                for raw in page.items:
                    item = decode_json(bytes(raw), item_type, f"/v3/{name}/list")
                    items[getattr(item, key_field)] = item
                page_number += 1
                if page_number >= page.page_count:
                    break
            if len(item_counts) == 1 and len(items) == item_counts.pop():
                return list(items.values())
        raise SourceError(
            f"/v3/{name}/list changed each time while its pages were fetched; nothing is lost, since counters "
            "continue; the next reading tries again"
        )

    async def _fetch_page(self, name: str, page_number: int) -> _MediaMtxPage:
        query = {"page": str(page_number), "itemsPerPage": str(ITEMS_PER_PAGE)}
        headers = basic_auth_header(self._user, self._password)
        response = await self._probe.get("v3", name, "list", query=query, headers=headers)
        self._server_clock.observe(response)
        return decode_json(response.body, _MediaMtxPage, f"/v3/{name}/list")


def _stream_fields(path: str) -> dict[str, str]:
    """Return the stream of a path as the fields of its counter; without any for a connection that has no path yet."""
    if not path:
        return {}
    scope, name = split_stream_path(path, "mediamtx")
    return {"scope": scope, "name": name}


def _publish(path: str, since: str, server_time: ServerTime) -> PublishReading:
    scope, name = split_stream_path(path, "mediamtx")
    began = _parse_time_ms(since)
    return PublishReading(
        publish_id=f"{short_digest(path)}-{began}", scope=scope, name=name, age_ms=server_time.age_ms(began)
    )


def _viewer(protocol: str, connection: _MediaMtxConnection, server_time: ServerTime) -> ViewerReading:
    scope, name = split_stream_path(connection.path, "mediamtx")
    return ViewerReading(
        viewer_id=limit_id(connection.id),
        scope=scope,
        name=name,
        protocol=protocol,
        age_ms=server_time.age_ms(_parse_time_ms(connection.created)),
        address=connection.remote_addr or "",
        agent=connection.user_agent or "",
    )


def _parse_time_ms(text: str) -> int:
    try:
        return max(0, int(datetime.fromisoformat(text).timestamp() * 1000))
    except (ValueError, OverflowError):
        raise SourceError("MediaMTX returned an invalid time") from None


def _create(config: MediaMtxConfig, context: SourceContext) -> MediaMtxSource:
    secret = optional_password(config)
    return MediaMtxSource(config.url, config.user, secret, context.clock, options=config.http_options)


SOURCE = SourceKind(
    kind="mediamtx",
    server="MediaMTX",
    viewers="polled",
    traffic="polled, per connection",
    config=MediaMtxConfig,
    create=_create,
    stream_traffic="measured",
)

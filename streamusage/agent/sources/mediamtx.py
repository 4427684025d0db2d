"""MediaMTX, read by its control API: every connection with its bytes, as long as it is open.

Lists come in pages and change while they are read, so a list that does not fit together is read again. What is exact
here and what is bounded stands in docs/sources/mediamtx.md.
"""

from datetime import datetime
from typing import Any

import msgspec

from streamusage.agent.config.secrets import Secret
from streamusage.agent.reading import CounterReading, PublishReading, Reading, SourceError, ViewerReading
from streamusage.agent.sources.common.http_probe import (
    Asker,
    Count,
    StatusError,
    an_id,
    basic_auth,
    decoded,
    digest_of,
    split_path,
)
from streamusage.agent.sources.common.polled import PolledSource
from streamusage.core.clock import Clock
from streamusage.core.reasons import MEDIAMTX_POLLING

ITEMS_A_PAGE = 100
MOST_PAGES = 1000
ATTEMPTS = 3

LISTS = {
    "rtmpconns": "rtmp",
    "rtmpsconns": "rtmps",
    "rtspsessions": "rtsp",
    "rtspssessions": "rtsps",
    "srtconns": "srt",
    "webrtcsessions": "webrtc",
    "moqsessions": "moq",
    "hlssessions": "hls",
}
"""The lists of connections and the protocol of each. A server that is switched off, or older, lacks its list."""


class _Page(msgspec.Struct):
    itemCount: Count
    pageCount: Count
    items: list[msgspec.Raw]


class _Connection(msgspec.Struct):
    """Bytes have had two names; both are read."""

    id: str
    created: str
    path: str = ""
    state: str = ""
    """`read` or `publish`. HLS sessions have none: they read."""
    bytesReceived: Count = 0
    bytesSent: Count = 0
    inboundBytes: Count = 0
    outboundBytes: Count = 0


class _Muxer(msgspec.Struct):
    path: str
    created: str
    bytesSent: Count = 0
    outboundBytes: Count = 0


class _Path(msgspec.Struct):
    name: str
    ready: bool = False
    readyTime: str | None = None
    online: bool | None = None
    """Whether somebody publishes. A path that is always available is ready without; older servers tell `ready` only."""
    onlineTime: str | None = None

    @property
    def published_since(self) -> str | None:
        """When its publish began; `None` while there is none."""
        if self.online is None:
            return self.readyTime if self.ready else None
        return self.onlineTime if self.online else None


class MediaMtxSource(PolledSource):
    """An `agent.source.Source`."""

    def __init__(
        self, url: str, user: str | None, password: Secret | None, clock: Clock, *, timeout_seconds: float = 5.0
    ) -> None:
        super().__init__(Asker(url, "MediaMTX", timeout_seconds=timeout_seconds), clock)
        self._user, self._password = user, password

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        paths = await self._list("paths", "name", _Path)
        connections: list[tuple[str, _Connection]] = []
        for name, protocol in LISTS.items():
            try:
                connections += [(protocol, each) for each in await self._list(name, "id", _Connection)]
            except StatusError as error:
                if error.status != 404:
                    raise
        muxers: list[_Muxer] = []
        if not any(protocol == "hls" for protocol, _ in connections):
            try:
                muxers = await self._list("hlsmuxers", "path", _Muxer)
            except StatusError as error:
                if error.status != 404:
                    raise
        at = self._clock.now_ms()
        return Reading(
            at=at,
            boot="mediamtx",
            started_at=0,
            counters=(
                *(_counter(protocol, each) for protocol, each in connections),
                *(
                    CounterReading(
                        key=f"muxer-{digest_of(each.path, each.created)}",
                        bytes_in=0,
                        bytes_out=max(each.bytesSent, each.outboundBytes),
                    )
                    for each in muxers
                ),
            ),
            publishes=tuple(_publish(path.name, since, at) for path in paths if (since := path.published_since)),
            viewers=tuple(
                _viewer(protocol, each, at)
                for protocol, each in connections
                if each.path and (each.state == "read" or protocol == "hls")
            ),
            cursor="mediamtx",
            misses=MEDIAMTX_POLLING,
        )

    async def _list(self, name: str, key: str, form: Any) -> list[Any]:
        """A whole list, each item once. Read again where it changed while its pages were turned."""
        for _ in range(ATTEMPTS):
            items: dict[str, Any] = {}
            counts = set()
            page_number = 0
            while page_number < MOST_PAGES:
                page = await self._page(name, page_number)
                counts.add(page.itemCount)
                for raw in page.items:
                    item = decoded(bytes(raw), form, f"/v3/{name}/list")
                    items[getattr(item, key)] = item
                page_number += 1
                if page_number >= page.pageCount:
                    break
            if len(counts) == 1 and len(items) == counts.pop():
                return list(items.values())
        raise SourceError(
            f"/v3/{name}/list changed each time its pages were turned; the next reading tries again. Nothing is lost: "
            "counters go on"
        )

    async def _page(self, name: str, number: int) -> _Page:
        query = {"page": str(number), "itemsPerPage": str(ITEMS_A_PAGE)}
        headers = basic_auth(self._user, self._password)
        return decoded(
            await self._asker.get("v3", name, "list", query=query, headers=headers), _Page, f"/v3/{name}/list"
        )


def _counter(protocol: str, each: _Connection) -> CounterReading:
    return CounterReading(
        key=an_id(each.id),
        bytes_in=max(each.bytesReceived, each.inboundBytes),
        bytes_out=max(each.bytesSent, each.outboundBytes),
    )


def _publish(path: str, since: str, at: int) -> PublishReading:
    scope, name = split_path(path, "mediamtx")
    began = _instant(since)
    return PublishReading(publish_id=f"{digest_of(path)}-{began}", scope=scope, name=name, age_ms=max(0, at - began))


def _viewer(protocol: str, each: _Connection, at: int) -> ViewerReading:
    scope, name = split_path(each.path, "mediamtx")
    return ViewerReading(
        viewer_id=an_id(each.id),
        scope=scope,
        name=name,
        protocol=protocol,
        age_ms=max(0, at - _instant(each.created)),
    )


def _instant(text: str) -> int:
    try:
        return max(0, int(datetime.fromisoformat(text).timestamp() * 1000))
    except (ValueError, OverflowError):
        raise SourceError("MediaMTX told an instant that cannot be read") from None

"""Responses of each kind of media server by path, and its source connected to a server with these responses.

Responses of servers that could be run are recorded; those of other servers follow the vendor's documents.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from streamusage.agent.journal.rows import Row, rows_of
from streamusage.agent.metering import meter
from streamusage.agent.reading import Reading, Source
from streamusage.agent.sources.icecast.source import IcecastSource
from streamusage.agent.sources.mediamtx import MediaMtxSource
from streamusage.agent.sources.node_media_server.source import NodeMediaServerSource
from streamusage.agent.sources.red5pro import Red5ProSource
from streamusage.agent.sources.srs import SrsSource
from streamusage.agent.sources.stream_manager import StreamManagerSource
from streamusage.agent.sources.wowza import WowzaSource
from streamusage.api.report import Baseline
from streamusage.core.clock import Clock, SystemClock
from tests.support.agent.http_answers import Answers, answer, answering
from tests.support.waiting import PATIENT

FIXTURES = Path(__file__).parent / "fixtures"
SECRET = "s3cr3t-value"
CLOCK = SystemClock()

Routes = dict[str, bytes]


def read_fixture(name: str) -> bytes:
    """Return a recorded response or log."""
    return (FIXTURES / name).read_bytes()


def encode_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def secret() -> str:
    """A `Secret`."""
    return SECRET


ICECAST: Routes = {
    "/admin/stats": read_fixture("icecast_admin_stats.xml"),
    "/admin/listclients": read_fixture("icecast_listclients.xml"),
}
NMS: Routes = {
    "/api/v1/login": encode_json({"success": True, "data": {"token": "a.b.c"}}),
    "/api/v1/stats": read_fixture("nms4_stats.json"),
    "/api/v1/sessions": read_fixture("nms4_sessions.json"),
    "/api/v1/streams": read_fixture("nms4_streams.json"),
}
NMS2: Routes = {
    "/api/server": read_fixture("nms2/server.json"),
    "/api/streams": read_fixture("nms2/streams.json"),
}
WOWZA_APP = "/v2/servers/_defaultServer_/vhosts/_defaultVHost_/applications/live"
WOWZA: Routes = {
    f"{WOWZA_APP}/monitoring/current": read_fixture("wowza_monitoring.json"),
    f"{WOWZA_APP}/instances": encode_json(
        {"instanceList": [{"name": "_definst_", "incomingStreams": [{"name": "s1", "isConnected": True}]}]}
    ),
    f"{WOWZA_APP}/instances/_definst_/incomingstreams/s1/monitoring/current": encode_json(
        {"uptime": 60, "bytesIn": 9, "bytesOut": 99, "connectionCount": {"RTMP": 2, "CUPERTINO": 5, "MPEGDASH": 0}}
    ),
    "/connectioncounts": b"<WowzaStreamingEngine><ConnectionsTotalAccepted>70</ConnectionsTotalAccepted><VHost>"
    b"<Name>_defaultVHost_</Name><Application><Name>live</Name>"
    b"<ConnectionsTotalAccepted>40</ConnectionsTotalAccepted></Application></VHost></WowzaStreamingEngine>",
}
CREATED = "2026-11-21T21:00:00.5+00:00"
WENT_ONLINE = "2026-11-21T21:30:00+00:00"
MEDIAMTX: Routes = {
    "/v3/paths/list": encode_json(
        {
            "itemCount": 3,
            "pageCount": 1,
            "items": [
                {"name": "live/s1", "ready": True, "readyTime": CREATED},
                {"name": "live/s2", "ready": True, "readyTime": CREATED, "online": True, "onlineTime": WENT_ONLINE},
                {"name": "live/waits", "ready": True, "readyTime": CREATED, "online": False, "onlineTime": None},
            ],
        }
    ),
    "/v3/hlssessions/list": encode_json(
        {
            "itemCount": 1,
            "pageCount": 1,
            "items": [{"id": "u-3", "created": CREATED, "path": "live/s2", "isCDN": False, "outboundBytes": 50}],
        }
    ),
    "/v3/rtmpconns/list": encode_json(
        {
            "itemCount": 2,
            "pageCount": 1,
            "items": [
                {"id": "u-1", "created": CREATED, "state": "publish", "path": "live/s1", "inboundBytes": 900},
                {"id": "u-2", "created": CREATED, "state": "read", "path": "live/s1", "bytesSent": 700},
            ],
        }
    ),
}
SRS: Routes = {
    "/api/v1/clients/": encode_json(
        {
            "code": 0,
            "server": "vid-1",
            "service": "x1",
            "pid": "7",
            "clients": [
                {"id": "p1", "url": "/live/s1", "type": "fmle-publish", "publish": True, "alive": 9.5,
                 "send_bytes": 5, "recv_bytes": 800},
                {"id": 77, "url": "/live/s1", "type": "flv-play", "publish": False, "alive": 3.25,
                 "send_bytes": 600, "recv_bytes": 4},
            ],
        }
    ),
    "/api/v1/vhosts/": encode_json(
        {
            "code": 0,
            "server": "vid-1",
            "service": "x1",
            "pid": "7",
            "vhosts": [
                {"id": "vid-9", "name": "__defaultVhost__", "enabled": True, "clients": 2, "streams": 1,
                 "send_bytes": 9605, "recv_bytes": 864965, "kbps": {"recv_30s": 215, "send_30s": 0}},
            ],
        }
    ),
}  # fmt: skip
RED5: Routes = {
    "/api/v1/applications/live/streams": encode_json({"status": "success", "code": 200, "data": ["s1"]}),
    "/api/v1/applications/live/streams/s1": encode_json(
        {
            "status": "success",
            "code": 200,
            "data": {
                "creation_time": 1467224198453,
                "active_subscribers": 3,
                "total_subscribers": 8,
                "max_subscribers": 5,
                "bytes_received": 5000,
            },
        }
    ),
}
MANAGER: Routes = {
    "/as/v1/streams/stream/group-1": encode_json(
        [{"streamGuid": "live/room/s1", "serverAddress": "10.0.0.1", "subscribers": 25, "durationMs": 600000}]
    )
}


class FakeMediaServer(NamedTuple):
    """A kind of media server: its responses, and a function that returns its source for a URL and a clock."""

    routes: Routes
    create_source: Callable[[str, Clock], Source]


MEDIA_SERVERS: dict[str, FakeMediaServer] = {
    "icecast": FakeMediaServer(
        ICECAST, lambda url, clock: IcecastSource(url, "admin", secret, None, clock, options=PATIENT)
    ),
    "node-media-server": FakeMediaServer(
        NMS,
        lambda url, clock: NodeMediaServerSource(url, "admin", secret, None, Path("unused"), clock, options=PATIENT),
    ),
    "node-media-server 2": FakeMediaServer(
        NMS2,
        lambda url, clock: NodeMediaServerSource(url, "admin", secret, None, Path("unused"), clock, options=PATIENT),
    ),
    "wowza": FakeMediaServer(
        WOWZA,
        lambda url, clock: WowzaSource(url, "admin", secret, "_defaultVHost_", ("live",), url, clock, options=PATIENT),
    ),
    "mediamtx": FakeMediaServer(
        MEDIAMTX, lambda url, clock: MediaMtxSource(url, "reader", secret, clock, options=PATIENT)
    ),
    "srs": FakeMediaServer(SRS, lambda url, clock: SrsSource(url, None, None, clock, options=PATIENT)),
    "red5pro": FakeMediaServer(RED5, lambda url, clock: Red5ProSource(url, secret, ("live",), clock, options=PATIENT)),
    "stream-manager-2": FakeMediaServer(
        MANAGER,
        lambda url, clock: StreamManagerSource(url, secret, ("group-1",), clock, options=PATIENT),
    ),
}


@asynccontextmanager
async def open_source(kind: str, routes: Routes | None = None) -> AsyncIterator[tuple[Source, Answers]]:
    """The source of a kind and the server that it reads, which responds with 404 at any other path."""
    media_server = MEDIA_SERVERS[kind]
    served = media_server.routes if routes is None else routes

    def respond(request: bytes) -> bytes:
        path = request.split(b" ", 2)[1].decode("latin-1").partition("?")[0]
        return answer(served[path]) if path in served else answer(b"not here", "404 Not Found")

    async with answering() as answers:
        answers.next = [respond]
        source = media_server.create_source(answers.url, CLOCK)
        try:
            yield source, answers
        finally:
            await source.close()


def meter_readings(readings: list[Reading]) -> list[Row]:
    """Return the rows of readings, after a check that a report can hold them."""
    rows: list[Row] = []
    state, additions = meter.start(readings[0])
    rows += rows_of(additions, 1)
    for reading in readings[1:]:
        state, additions = meter.step(state, reading)
        rows += rows_of(additions, 1)
    msgspec.json.decode(msgspec.json.encode(state.baseline), type=Baseline)
    for row in rows:
        msgspec.json.decode(msgspec.json.encode(row), type=type(row))
    return rows

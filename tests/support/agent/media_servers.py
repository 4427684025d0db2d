"""What each kind of media server answers, by path, and the source that asks it.

The answers are real ones where a server could be run, and as documented where it could not.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamusage.agent.reading import Source
from streamusage.agent.sources.icecast.source import IcecastSource
from streamusage.agent.sources.mediamtx import MediaMtxSource
from streamusage.agent.sources.node_media_server.source import NodeMediaServerSource
from streamusage.agent.sources.red5pro import Red5ProSource
from streamusage.agent.sources.srs import SrsSource
from streamusage.agent.sources.stream_manager import StreamManagerSource
from streamusage.agent.sources.wowza import WowzaSource
from streamusage.core.clock import SystemClock

FIXTURES = Path(__file__).parent / "fixtures"
SECRET = "s3cr3t-value"
CLOCK = SystemClock()

Routes = dict[str, bytes]


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def secret() -> str:
    return SECRET


ICECAST: Routes = {
    "/admin/stats": fixture("icecast_admin_stats.xml"),
    "/admin/listclients": fixture("icecast_listclients.xml"),
}
NMS: Routes = {
    "/api/v1/login": as_json({"success": True, "data": {"token": "a.b.c"}}),
    "/api/v1/stats": fixture("nms4_stats.json"),
    "/api/v1/sessions": fixture("nms4_sessions.json"),
    "/api/v1/streams": fixture("nms4_streams.json"),
}
WOWZA_APP = "/v2/servers/_defaultServer_/vhosts/_defaultVHost_/applications/live"
WOWZA: Routes = {
    f"{WOWZA_APP}/monitoring/current": fixture("wowza_monitoring.json"),
    f"{WOWZA_APP}/instances": as_json(
        {"instanceList": [{"name": "_definst_", "incomingStreams": [{"name": "s1", "isConnected": True}]}]}
    ),
    f"{WOWZA_APP}/instances/_definst_/incomingstreams/s1/monitoring/current": as_json(
        {"uptime": 60, "bytesIn": 9, "bytesOut": 99, "connectionCount": {"RTMP": 2, "CUPERTINO": 5, "MPEGDASH": 0}}
    ),
    "/connectioncounts": b"<WowzaStreamingEngine><ConnectionsTotalAccepted>70</ConnectionsTotalAccepted><VHost>"
    b"<Name>_defaultVHost_</Name><Application><Name>live</Name>"
    b"<ConnectionsTotalAccepted>40</ConnectionsTotalAccepted></Application></VHost></WowzaStreamingEngine>",
}
CREATED = "2026-11-21T21:00:00.5+00:00"
BEGAN = "2026-11-21T21:30:00+00:00"
MEDIAMTX: Routes = {
    "/v3/paths/list": as_json(
        {
            "itemCount": 3,
            "pageCount": 1,
            "items": [
                {"name": "live/s1", "ready": True, "readyTime": CREATED},
                {"name": "live/s2", "ready": True, "readyTime": CREATED, "online": True, "onlineTime": BEGAN},
                {"name": "live/waits", "ready": True, "readyTime": CREATED, "online": False, "onlineTime": None},
            ],
        }
    ),
    "/v3/hlssessions/list": as_json(
        {
            "itemCount": 1,
            "pageCount": 1,
            "items": [{"id": "u-3", "created": CREATED, "path": "live/s2", "isCDN": False, "outboundBytes": 50}],
        }
    ),
    "/v3/rtmpconns/list": as_json(
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
    "/api/v1/clients/": as_json(
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
    "/api/v1/vhosts/": as_json(
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
    "/api/v1/applications/live/streams": as_json({"status": "success", "code": 200, "data": ["s1"]}),
    "/api/v1/applications/live/streams/s1": as_json(
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
    "/as/v1/streams/stream/group-1": as_json(
        [{"streamGuid": "live/room/s1", "serverAddress": "10.0.0.1", "subscribers": 25, "durationMs": 600000}]
    )
}

Maker = Callable[[str], Source]
KINDS: dict[str, tuple[Routes, Maker]] = {
    "icecast": (ICECAST, lambda url: IcecastSource(url, "admin", secret, None, CLOCK, timeout_seconds=30)),
    "node-media-server": (
        NMS,
        lambda url: NodeMediaServerSource(url, "admin", secret, None, Path("unused"), CLOCK, timeout_seconds=30),
    ),
    "wowza": (
        WOWZA,
        lambda url: WowzaSource(url, "admin", secret, "_defaultVHost_", ("live",), url, CLOCK, timeout_seconds=30),
    ),
    "mediamtx": (MEDIAMTX, lambda url: MediaMtxSource(url, "reader", secret, CLOCK, timeout_seconds=30)),
    "srs": (SRS, lambda url: SrsSource(url, None, None, CLOCK, timeout_seconds=30)),
    "red5pro": (RED5, lambda url: Red5ProSource(url, secret, ("live",), CLOCK, timeout_seconds=30)),
    "stream-manager-2": (
        MANAGER,
        lambda url: StreamManagerSource(url, secret, ("group-1",), CLOCK, timeout_seconds=30),
    ),
}

"""HLS viewers inferred from the requests in an HTTP access log. Pure: it is folded over the log's lines in order.

A viewer is whoever asks for parts of one stream under one session id (`sid`) or, without one, from one address with one
agent. It came with its first request; from one request to the next it watched, unless it was silent for too long.
"""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from streamusage.agent.reading import AudienceReading, EndedConnection
from streamusage.agent.sources.common.http_probe import digest_of, split_path

LOG_FORMAT = '$msec $remote_addr "$request" $status $bytes_sent "$http_user_agent" "$arg_sid"'
"""The `log_format` to recommend. nginx escapes what clients choose in it, so no field can end another."""

PROTOCOL = "hls"
COUNTER = "hls"

_LINE = re.compile(
    r'(\d{1,12})\.(\d{3}) (\S{1,64}) "(?:GET|HEAD) ([^\s"]{1,4096}) [^"]{1,16}" (\d{3}) (\d{1,15}) '
    r'"([^"]{0,8192})" "([^"]{0,1024})"'
)
_PARTS = (".m3u8", ".ts", ".m4s", ".mp4", ".aac")
_LATEST_MS = 2**52


class Request(NamedTuple):
    """One request for a part of a stream."""

    at: int
    viewer: str
    """A digest of who asked for which stream."""
    scope: str
    name: str
    is_watching: bool
    """Whether it was answered: a refused one is traffic, but nobody watched."""
    bytes_out: int


def parse_line(line: bytes) -> Request | None:
    """The request that a line tells; `None` for other files and for what is not in this format."""
    match = _LINE.match(line.decode("utf-8", "replace"))
    if match is None:
        return None
    seconds, millis, address, target, status, sent, agent, sid = match.groups()
    path = target.partition("?")[0]
    if not path.endswith(_PARTS):
        return None
    scope, name = stream_of(path)
    who = (sid,) if sid not in ("", "-") else (address, agent)
    return Request(
        at=min(int(seconds) * 1000 + int(millis), _LATEST_MS),
        viewer=digest_of(scope, name, *who),
        scope=scope,
        name=name,
        is_watching=status in ("200", "206", "304"),
        bytes_out=int(sent),
    )


def is_line(line: bytes) -> bool:
    """Whether it is a line of the format that is wanted, whatever it asks for."""
    return re.match(rb'\d{1,12}\.\d{3} \S+ "', line) is not None


def stream_of(path: str) -> tuple[str, str]:
    """The stream that a playlist or a part is of, as nginx-rtmp and most others lay them out.

    `/hls/s1.m3u8`, `/hls/s1-17.ts` and `/hls/s1/index.m3u8`, `/hls/s1/17.ts` are all of `s1` in `hls`.
    """
    folder, _, file = path.strip("/").rpartition("/")
    stem = file.rpartition(".")[0]
    stem = re.sub(r"[-_]?\d+$", "", stem) if not file.endswith(".m3u8") else stem
    if stem in ("", "index", "playlist", "master", "chunklist", "stream", "seg", "segment", "media", "init"):
        return split_path(folder or "hls", "hls")
    return split_path(f"{folder}/{stem}", "hls")


class Viewer(NamedTuple):
    """A viewer who asked not long ago."""

    scope: str
    name: str
    last_at: int


class Viewers:
    """The viewers at a place in the log."""

    def __init__(self, idle_after_ms: int) -> None:
        self._idle_after_ms = idle_after_ms
        self._viewers: dict[str, Viewer] = {}
        self._newest_at = 0

    def fold(self, requests: Iterable[Request]) -> list[EndedConnection]:
        """What requests tell: who came, how long it watched, and the bytes of all."""
        told = []
        for request in requests:
            told.append(_told(request, "other", 0))
            if not request.is_watching:
                continue
            known = self._viewers.get(request.viewer)
            silent_ms = request.at - known.last_at if known else self._idle_after_ms + 1
            if silent_ms > self._idle_after_ms:
                told.append(_told(request, "join", 0))
            elif silent_ms > 0:
                told.append(_told(request, "watch", silent_ms))
            last_at = max(request.at, known.last_at) if known else request.at
            self._viewers[request.viewer] = Viewer(request.scope, request.name, last_at)
            self._newest_at = max(self._newest_at, last_at)
        self._forget()
        return told

    def _forget(self) -> None:
        """Forgets who has left, by the log's own time: the log may be read long after it was written."""
        since = self._newest_at - self._idle_after_ms
        self._viewers = {key: viewer for key, viewer in self._viewers.items() if viewer.last_at >= since}

    def audiences(self, at: int) -> tuple[AudienceReading, ...]:
        """How many watch each stream at an instant."""
        counts: dict[tuple[str, str], int] = {}
        for viewer in self._viewers.values():
            if at - viewer.last_at <= self._idle_after_ms:
                counts[viewer.scope, viewer.name] = counts.get((viewer.scope, viewer.name), 0) + 1
        return tuple(
            AudienceReading(
                key=digest_of(scope, name), scope=scope, name=name, protocol=PROTOCOL, viewers=count, shown_only=True
            )
            for (scope, name), count in counts.items()
        )


def _told(request: Request, kind: Literal["join", "watch", "other"], duration_ms: int) -> EndedConnection:
    return EndedConnection(
        connection_id="",
        kind=kind,
        scope=request.scope,
        name=request.name,
        protocol=PROTOCOL,
        ended_at=request.at,
        duration_ms=duration_ms,
        granularity_ms=0,
        bytes_in=0,
        bytes_out=request.bytes_out if kind == "other" else 0,
        counter=COUNTER,
    )

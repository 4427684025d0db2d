"""HLS viewers inferred from the requests in an HTTP access log. Pure: a fold over the log's lines, in order.

A viewer is identified by the stream and a session id (`sid`), or without one by the stream, the address and the user
agent. A viewer starts with its first request. It watches from one request to the next, unless the pause between them is
too long.
"""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from streamusage.agent.reading import AudienceReading, EndedConnection
from streamusage.agent.sources.common.identifiers import short_digest, split_stream_path

LOG_FORMAT = '$msec $remote_addr "$request" $status $bytes_sent "$http_user_agent" "$arg_sid"'
"""The recommended `log_format`. nginx escapes what clients choose in it, so no field can contain the end of another."""

PROTOCOL = "hls"
COUNTER = "hls"

_LINE = re.compile(
    r'(\d{1,12})\.(\d{3}) (\S{1,64}) "(?:GET|HEAD) ([^\s"]{1,4096}) [^"]{1,16}" (\d{3}) (\d{1,15}) '
    r'"([^"]{0,8192})" "([^"]{0,1024})"'
)
_STREAM_FILE_SUFFIXES = (".m3u8", ".ts", ".m4s", ".mp4", ".aac")
KEEP_LINES = 20_000
"""A viewer with one of the last so many lines is remembered, whatever the times in the log."""

_MAX_TIME_MS = 2**52


class HlsRequest(NamedTuple):
    """One request for a playlist or a segment of a stream."""

    at: int
    """UTC milliseconds."""
    viewer_key: str
    """Digest of the viewer's identity and the stream."""
    scope: str
    name: str
    is_watching: bool
    """Whether the request succeeded. A refused request counts as traffic, but not as watching."""
    bytes_out: int


def parse_line(line: bytes) -> HlsRequest | None:
    """Return the request of a log line; None for requests of other files and for lines in another format."""
    match = _LINE.match(line.decode("utf-8", "replace"))
    if match is None:
        return None
    seconds, millis, address, target, status, sent, user_agent, sid = match.groups()
    path = target.partition("?")[0]
    if not path.endswith(_STREAM_FILE_SUFFIXES):
        return None
    scope, name = parse_stream(path)
    identity = (sid,) if sid not in ("", "-") else (address, user_agent)
    return HlsRequest(
        at=min(int(seconds) * 1000 + int(millis), _MAX_TIME_MS),
        viewer_key=short_digest(scope, name, *identity),
        scope=scope,
        name=name,
        is_watching=status in ("200", "206", "304"),
        bytes_out=int(sent),
    )


def has_log_format(line: bytes) -> bool:
    """Return whether the line begins as in the expected format, whatever its request."""
    return re.match(rb'\d{1,12}\.\d{3} \S+ "', line) is not None


def parse_stream(path: str) -> tuple[str, str]:
    """Return scope and name of the stream of a playlist or segment, for the layouts of nginx-rtmp and most servers.

    `/hls/s1.m3u8`, `/hls/s1-17.ts`, `/hls/s1/index.m3u8` and `/hls/s1/17.ts` all belong to `s1` in `hls`.
    """
    folder, _, file = path.strip("/").rpartition("/")
    stem = file.rpartition(".")[0]
    stem = re.sub(r"[-_]?\d+$", "", stem) if not file.endswith(".m3u8") else stem
    if stem in ("", "index", "playlist", "master", "chunklist", "stream", "seg", "segment", "media", "init"):
        return split_stream_path(folder or "hls", "hls")
    return split_stream_path(f"{folder}/{stem}", "hls")


class HlsViewer(NamedTuple):
    """A viewer with a recent request."""

    scope: str
    name: str
    last_at: int
    """Time of its last request, in UTC milliseconds."""
    other_at: int | None
    """Time of its last request before the log went back in time: the clock was set, or a line was written late."""
    line: int
    """Number of its last line."""

    def follow(self, at: int, line: int, idle_after_ms: int) -> tuple["HlsViewer", int | None]:
        """Return the viewer after a request, and the time it watched until then; None for a new visit."""
        for last_at, other_at in ((self.last_at, self.other_at), (self.other_at, self.last_at)):
            if last_at is not None and abs(at - last_at) <= idle_after_ms:
                return self._replace(last_at=max(last_at, at), other_at=other_at, line=line), max(0, at - last_at)
        if at < self.last_at:
            return self._replace(last_at=at, other_at=self.last_at, line=line), 0
        return self._replace(last_at=at, other_at=None, line=line), None


class HlsViewers:
    """The viewers at a position in the log."""

    def __init__(self, idle_after_ms: int) -> None:
        self._idle_after_ms = idle_after_ms
        self._viewers: dict[str, HlsViewer] = {}
        self._lines = 0
        self._newest_at = self._newest_at_before = 0
        """Newest times of the last lines, and of those before them."""

    def fold(self, requests: Iterable[HlsRequest]) -> list[EndedConnection]:
        """Apply requests in order. Returns the joins, the watched time and the bytes of all requests."""
        entries = []
        for request in requests:
            entries.append(_log_entry(request, "other", 0))
            if not request.is_watching:
                continue
            self._lines += 1
            viewer = self._viewers.get(request.viewer_key)
            if viewer is None:
                watched_ms = None
                viewer = HlsViewer(request.scope, request.name, request.at, None, self._lines)
            else:
                viewer, watched_ms = viewer.follow(request.at, self._lines, self._idle_after_ms)
            self._viewers[request.viewer_key] = viewer
            if watched_ms is None:
                entries.append(_log_entry(request, "join", 0))
            elif watched_ms:
                entries.append(_log_entry(request, "watch", watched_ms))
            self._newest_at = max(self._newest_at, request.at)
            if self._lines % KEEP_LINES == 0:
                self._newest_at_before, self._newest_at = self._newest_at, 0
        self._remove_idle()
        return entries

    def _remove_idle(self) -> None:
        """Remove viewers who left, by the log's own time: the log may be read long after it was written.

        Those with a recent line stay: after the clock was set back, older lines have later times.
        """
        since = max(self._newest_at, self._newest_at_before) - self._idle_after_ms
        self._viewers = {
            key: viewer
            for key, viewer in self._viewers.items()
            if viewer.last_at >= since or self._lines - viewer.line < KEEP_LINES
        }

    def audiences(self, at: int) -> tuple[AudienceReading, ...]:
        """Return the number of viewers of each stream at a time in UTC milliseconds."""
        counts: dict[tuple[str, str], int] = {}
        for viewer in self._viewers.values():
            if at - viewer.last_at <= self._idle_after_ms:
                counts[viewer.scope, viewer.name] = counts.get((viewer.scope, viewer.name), 0) + 1
        return tuple(
            AudienceReading(
                key=short_digest(scope, name), scope=scope, name=name, protocol=PROTOCOL, viewers=count, shown_only=True
            )
            for (scope, name), count in counts.items()
        )


def _log_entry(request: HlsRequest, kind: Literal["join", "watch", "other"], duration_ms: int) -> EndedConnection:
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

"""Logs with a line for each connection that ended: nginx-rtmp and Icecast. Pure."""

from streamusage.access_logs import icecast, nginx_rtmp
from tui.reconcile.entries import Basis, Entry, EntryKind, name_stream


class RtmpLogReader:
    """A `LineReader` of nginx-rtmp's access log. A publish has bytes in, a play has bytes out and view time."""

    name = "nginx-rtmp"
    basis = Basis.CONNECTION

    def read(self, line: bytes) -> Entry | None:
        """As `LineReader.read`."""
        found = nginx_rtmp.parse_line(line)
        if found is None:
            return None
        is_play = found.command.startswith("PLAY")
        return Entry(
            found.ended_at,
            "connection",
            stream=name_stream(found.scope, found.name),
            bytes_out=found.bytes_out,
            bytes_in=found.bytes_in,
            view_time_ms=found.duration_s * 1000 if is_play else 0,
            connections=int(is_play),
            duration_ms=found.duration_s * 1000,
            view_time_step_ms=1000,
        )

    def is_comment(self, line: bytes) -> bool:
        """As `LineReader.is_comment`."""
        return not line.strip()


class IcecastLogReader:
    """A `LineReader` of Icecast's access log."""

    name = "icecast"
    basis = Basis.CONNECTION

    def read(self, line: bytes) -> Entry | None:
        """As `LineReader.read`."""
        found = icecast.parse_line(line)
        if found is None:
            return None
        kind: EntryKind = "connection"
        if found.kind == "other":
            kind = "HEAD" if found.method == "HEAD" and found.status < 400 else "error"
        is_listener = found.kind == "listener"
        scope, _, name = found.path.strip("/").rpartition("/")
        duration_ms = max(0, found.duration_s) * 1000
        return Entry(
            found.ended_s * 1000,
            kind,
            stream=name_stream(scope or icecast.ROOT_SCOPE, name),
            bytes_out=found.bytes_out,
            view_time_ms=duration_ms if is_listener else 0,
            connections=int(is_listener),
            duration_ms=duration_ms,
            view_time_step_ms=1000,
        )

    def is_comment(self, line: bytes) -> bool:
        """As `LineReader.is_comment`."""
        return not line.strip()

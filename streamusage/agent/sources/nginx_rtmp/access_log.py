"""Lines of nginx-rtmp's access log as ended connections: a line of bytes in, an `EndedConnection` or None out. Pure.

`streamusage.access_logs.nginx_rtmp` reads the lines. Names are normalized to their form on the statistics page.
"""

from collections.abc import Sequence
from typing import Literal

from streamusage.access_logs import nginx_rtmp
from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.refusals import REFUSED_BYTES_OUT, has_no_media
from streamusage.agent.sources.nginx_rtmp.statistics import protocol_of

LOG_FORMAT = (
    "$msec $connection $remote_addr rx=$bytes_received tx=$bytes_sent t=$session_time "
    '"$command" "$app" "$name" "$args" "$flashver"'
)
"""The recommended `log_format`. Quoted fields after the application are optional."""

Kind = Literal["publish", "play", "other"]
_KINDS: dict[str, Kind] = {"PLAY": "play", "PUBLISH": "publish"}


def parse_line(line: bytes) -> EndedConnection | None:
    """Return the ended connection of a line; None for a line in an unknown format and for an ambiguous line.

    A line in nginx's own `combined` format has no connection id: the returned id is empty, and the end is exact to the
    second only. Without `$name` in the format, the returned name is empty.
    """
    found = nginx_rtmp.parse_line(line)
    if found is None:
        return None
    kind, protocol = _KINDS.get(found.command, "other"), protocol_of(found.flashver)
    texts = (*found.texts, found.flashver or "")
    return EndedConnection(
        connection_id=found.connection_id,
        kind=kind,
        scope=found.scope,
        name=found.name,
        protocol=protocol,
        ended_at=found.ended_at,
        duration_ms=found.duration_s * 1000,
        granularity_ms=1000,
        bytes_in=found.bytes_in,
        bytes_out=found.bytes_out,
        address=found.address,
        agent=found.flashver or "",
        refused=protocol == "rtmp" and _is_refused(kind, found.bytes_in, found.bytes_out, texts),
    )


def _is_refused(kind: Kind, bytes_in: int, bytes_out: int, texts: Sequence[str]) -> bool:
    """Return whether the server refused a connection. `texts` are the names and the version that the client chose."""
    if kind == "other" or bytes_out <= REFUSED_BYTES_OUT:
        return kind != "other"
    return kind == "publish" and has_no_media(bytes_in, *texts)

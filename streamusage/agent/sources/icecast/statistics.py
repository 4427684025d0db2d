"""Icecast's statistics and listener lists as values. Pure: bytes in, values or a `SourceError` out.

Icecast-KH has no times in ISO form, and may report counts that are negative, also as unsigned 64-bit numbers. Such a
count is unknown; the reading is taken without it.
"""

from datetime import datetime
from xml.etree.ElementTree import Element

import msgspec

from streamusage.access_logs.icecast import ROOT_SCOPE, parse_seconds
from streamusage.agent.reading import SourceError
from streamusage.agent.sources.common.identifiers import limit_id, short_digest, split_stream_path
from streamusage.agent.sources.common.payloads import MAX_COUNT, parse_xml

ISO_TIME = "%Y-%m-%dT%H:%M:%S%z"
KH_TIME = "%d/%b/%Y:%H:%M:%S %z"
RFC_TIME = "%a, %d %b %Y %H:%M:%S %z"


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A mount with a connected source."""

    path: str
    began_s: int
    """When the source connected, by the server's clock, in seconds since 1970."""
    listeners: int | None
    bytes_in: int | None
    """Bytes received since the source connected; None for a figure that is no count."""
    bytes_out: int | None


class IcecastStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `/admin/stats`."""

    began_s: int
    """When the server started, in seconds since 1970."""
    listener_connections: int | None
    """Listeners accepted since then, over all mounts."""
    listeners: int | None
    """Listeners that are connected."""
    mounts: tuple[Mount, ...]

    @property
    def is_valid(self) -> bool:
        """Whether all figures are counts."""
        figures = [count for mount in self.mounts for count in (mount.listeners, mount.bytes_in, mount.bytes_out)]
        return None not in (self.listener_connections, *figures)


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """A connected listener."""

    listener_id: str
    ip: str
    agent: str = ""
    connected_s: int | None
    """Whole seconds since it connected, by the server's wall clock; negative where that clock was set back since. None
    where the list does not have it: Icecast-KH omits it while a listener is between two of its workers."""


def parse_statistics(body: bytes) -> IcecastStatistics:
    """Return the content of `/admin/stats`."""
    endpoint = "/admin/stats"
    root = parse_xml(body, endpoint)
    if root.tag != "icestats":
        raise SourceError(f"{endpoint} returned XML that is not the statistics of Icecast")
    mounts = {}
    for source in root.iterfind("source"):
        path = source.get("mount") or ""
        began_s = _parse_time_s(source, "stream_start")
        if began_s is None:
            continue  # a mount without a connected source
        mounts[path] = Mount(
            path=path,
            began_s=began_s,
            listeners=_parse_count(source.findtext("listeners")),
            bytes_in=_parse_count(source.findtext("total_bytes_read", "0")),
            bytes_out=_parse_count(source.findtext("total_bytes_sent", "0")),
        )
    server_began_s = _parse_time_s(root, "server_start")
    if server_began_s is None:
        raise SourceError(
            f"{endpoint} has no valid start time of the server; check that it is Icecast 2.4 or later, or Icecast-KH"
        )
    return IcecastStatistics(
        began_s=server_began_s,
        listener_connections=_parse_count(root.findtext("listener_connections")),
        listeners=_parse_count(root.findtext("listeners")),
        mounts=tuple(mounts.values()),
    )


def parse_listeners(body: bytes) -> tuple[Listener, ...]:
    """Return the listeners of `/admin/listclients`."""
    endpoint = "/admin/listclients"
    listeners = {}
    for element in parse_xml(body, endpoint).iter("listener"):
        fields = {child.tag.lower(): (child.text or "").strip() for child in element}
        ip = fields.get("ip", "")
        shown_id = fields.get("id") or element.get("id")
        listener_id = limit_id(shown_id) if shown_id else short_digest(ip, fields.get("useragent", ""))
        listeners[listener_id] = Listener(
            listener_id=listener_id,
            ip=ip,
            agent=fields.get("useragent", ""),
            connected_s=_parse_connected_s(fields.get("connected", "")),
        )
    return tuple(listeners.values())


def parse_stream(path: str) -> tuple[str, str]:
    """Return the scope and name of a mount: `/live/a.mp3` is `a.mp3` in `live`."""
    return split_stream_path(path, ROOT_SCOPE)


def mount_life_id(path: str, began_s: int) -> str:
    """Return the id of one life of a mount, from the connect of its source to the disconnect."""
    return f"{short_digest(path)}-{began_s}"


def _parse_connected_s(text: str) -> int | None:
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 20):
        return None
    return max(-MAX_COUNT // 1000, min(parse_seconds(text), MAX_COUNT // 1000))


def _parse_count(text: str | None) -> int | None:
    """Return a count; None for a text that is none. Icecast omits bytes in the first five seconds of a mount."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= MAX_COUNT else None


def _parse_time_s(element: Element, name: str) -> int | None:
    """Return a time in seconds since 1970; None for a missing or invalid one."""
    iso, other = (element.findtext(tag) or "" for tag in (f"{name}_iso8601", name))
    for text, form in ((iso, ISO_TIME), (other, KH_TIME), (other, RFC_TIME), (other, ISO_TIME)):
        try:
            return max(0, int(datetime.strptime(text.strip(), form).timestamp()))  # noqa: DTZ007 - each form has its zone
        except (ValueError, OverflowError):
            continue
    return None

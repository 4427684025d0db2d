"""Icecast's statistics and listener lists as values. Pure: bytes in, values or a `SourceError` out."""

from datetime import datetime
from xml.etree.ElementTree import Element

import msgspec

from streamusage.agent.reading import SourceError
from streamusage.agent.sources.common.identifiers import short_digest, split_stream_path
from streamusage.agent.sources.common.payloads import MAX_COUNT, parse_child_count, parse_xml
from streamusage.agent.sources.icecast.access_log import parse_seconds

ROOT_SCOPE = "icecast"
"""Scope of mounts without a folder, such as `/a.mp3`."""


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A mount with a connected source."""

    path: str
    began_s: int
    """When the source connected, by the server's clock, in seconds since 1970."""
    listeners: int
    bytes_in: int
    """Bytes received since the source connected."""
    bytes_out: int


class IcecastStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `/admin/stats`."""

    began_s: int
    """When the server started, in seconds since 1970."""
    listener_connections: int
    """Listeners accepted since then, over all mounts."""
    mounts: tuple[Mount, ...]


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """A connected listener."""

    listener_id: int
    ip: str
    connected_s: int
    """Whole seconds since it connected, by the server's wall clock; negative where that clock was set back since."""


def parse_statistics(body: bytes) -> IcecastStatistics:
    """Return the content of `/admin/stats`."""
    endpoint = "/admin/stats"
    root = parse_xml(body, endpoint)
    if root.tag != "icestats":
        raise SourceError(f"{endpoint} returned XML that is not the statistics of Icecast")
    mounts = {}
    for source in root.iterfind("source"):
        path = source.get("mount") or ""
        if source.find("stream_start_iso8601") is None:
            continue  # a mount without a connected source
        mounts[path] = Mount(
            path=path,
            began_s=_parse_time_s(source.findtext("stream_start_iso8601"), endpoint),
            listeners=parse_child_count(source, "listeners", endpoint),
            bytes_in=_parse_optional_count(source.findtext("total_bytes_read")),
            bytes_out=_parse_optional_count(source.findtext("total_bytes_sent")),
        )
    return IcecastStatistics(
        began_s=_parse_time_s(root.findtext("server_start_iso8601"), endpoint),
        listener_connections=parse_child_count(root, "listener_connections", endpoint),
        mounts=tuple(mounts.values()),
    )


def parse_listeners(body: bytes) -> tuple[Listener, ...]:
    """Return the listeners of `/admin/listclients`."""
    endpoint = "/admin/listclients"
    listeners = {}
    for element in parse_xml(body, endpoint).iter("listener"):
        listener = Listener(
            listener_id=parse_child_count(element, "ID", endpoint),
            ip=element.findtext("IP") or "",
            connected_s=_parse_connected_s(element, endpoint),
        )
        listeners[listener.listener_id] = listener
    return tuple(listeners.values())


def parse_stream(path: str) -> tuple[str, str]:
    """Return the scope and name of a mount: `/live/a.mp3` is `a.mp3` in `live`."""
    return split_stream_path(path, ROOT_SCOPE)


def mount_life_id(path: str, began_s: int) -> str:
    """Return the id of one life of a mount, from the connect of its source to the disconnect."""
    return f"{short_digest(path)}-{began_s}"


def _parse_connected_s(listener: Element, endpoint: str) -> int:
    text = (listener.findtext("Connected") or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise SourceError(f"{endpoint}: <listener> has no valid <Connected>")
    return max(-MAX_COUNT // 1000, min(parse_seconds(text), MAX_COUNT // 1000))


def _parse_optional_count(text: str | None) -> int:
    """Return a byte counter, which Icecast omits during the first five seconds of a mount."""
    text = (text or "0").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= MAX_COUNT else 0


def _parse_time_s(text: str | None, endpoint: str) -> int:
    try:
        parsed = datetime.strptime(text or "", "%Y-%m-%dT%H:%M:%S%z")
        return max(0, int(parsed.timestamp()))
    except (ValueError, OverflowError):
        raise SourceError(
            f"{endpoint} has no valid start time; check that the server is Icecast 2.4 or later"
        ) from None

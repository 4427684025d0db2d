"""Icecast's statistics and listener lists as values. Pure: bytes in, values or a `SourceError` out."""

from datetime import datetime

import msgspec

from streamusage.agent.reading import SourceError
from streamusage.agent.sources.common.http_probe import LARGEST_COUNT, count_in, digest_of, split_path, xml_root

ROOT_SCOPE = "icecast"
"""The scope of mounts that are in no folder, such as `/a.mp3`."""


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A mount and its source, from when the source connected."""

    path: str
    began_s: int
    """When the source connected, by the server's clock."""
    listeners: int
    bytes_in: int
    bytes_out: int


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The server as `/admin/stats` shows it."""

    began_s: int
    """When the server started."""
    listener_connections: int
    """How many listeners came since, all mounts together."""
    mounts: tuple[Mount, ...]


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """A listener that is connected."""

    listener_id: int
    ip: str
    connected_s: int
    """Whole seconds since it came."""


def parse_stats(body: bytes) -> Stats:
    """Reads `/admin/stats`."""
    where = "/admin/stats"
    root = xml_root(body, where)
    if root.tag != "icestats":
        raise SourceError(f"{where} answered XML, but not the statistics of Icecast")
    mounts = {}
    for source in root.iterfind("source"):
        path = source.get("mount") or ""
        if source.find("stream_start_iso8601") is None:
            continue  # a mount that only waits for its source
        mounts[path] = Mount(
            path=path,
            began_s=_instant(source.findtext("stream_start_iso8601"), where),
            listeners=count_in(source, "listeners", where),
            bytes_in=_count_or_none(source.findtext("total_bytes_read")),
            bytes_out=_count_or_none(source.findtext("total_bytes_sent")),
        )
    return Stats(
        began_s=_instant(root.findtext("server_start_iso8601"), where),
        listener_connections=count_in(root, "listener_connections", where),
        mounts=tuple(mounts.values()),
    )


def parse_listeners(body: bytes) -> tuple[Listener, ...]:
    """Reads `/admin/listclients`."""
    where = "/admin/listclients"
    found = {}
    for element in xml_root(body, where).iter("listener"):
        listener = Listener(
            listener_id=count_in(element, "ID", where),
            ip=element.findtext("IP") or "",
            connected_s=min(count_in(element, "Connected", where), LARGEST_COUNT // 1000),
        )
        found[listener.listener_id] = listener
    return tuple(found.values())


def stream_of(path: str) -> tuple[str, str]:
    """A mount's scope and name: `/live/a.mp3` is `a.mp3` in `live`."""
    return split_path(path, ROOT_SCOPE)


def life_of(path: str, began_s: int) -> str:
    """The id of one life of a mount, from its source's coming to its leaving."""
    return f"{digest_of(path)}-{began_s}"


def _count_or_none(text: str | None) -> int:
    """A counter that Icecast leaves out for the first five seconds of a mount."""
    text = (text or "0").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= LARGEST_COUNT else 0


def _instant(text: str | None, where: str) -> int:
    try:
        parsed = datetime.strptime(text or "", "%Y-%m-%dT%H:%M:%S%z")
        return max(0, int(parsed.timestamp()))
    except (ValueError, OverflowError):
        raise SourceError(f"{where} tells no start time that can be read; is this Icecast 2.4 or later?") from None

"""Since when accounting exists: a server that began within a window is complete only from then on. Pure."""

from collections.abc import Iterable
from datetime import tzinfo

from streamusage.api.extension import ServerStatus
from tui.model import formats


def accounting_start(servers: Iterable[ServerStatus], from_ms: int, to_ms: int) -> int | None:
    """Return when accounting of these servers began, if that is within the window; `None` if it was before."""
    began = [server.since for server in servers if server.since is not None]
    first = min(began, default=None)
    return first if first is not None and from_ms < first < to_ms else None


def describe_start(started_at: int | None, now_ms: int, tz: tzinfo | None) -> str:
    """Return ` since 14:00`, to follow a share in percent; empty where accounting existed before."""
    return "" if started_at is None else f" since {formats.moment(started_at, now_ms, tz)}"

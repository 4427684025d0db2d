"""Media servers that their agents cannot read: the state, the reason and its age as text. Pure."""

from collections.abc import Iterable
from textwrap import wrap

from msgspec import UNSET

from streamusage.api.extension import ServerStatus
from tui.model import formats
from tui.model.text import sanitize

NO_READING = "no reading"
"""State of a server whose agent reports, and cannot read the media server."""


def unread_servers(servers: Iterable[ServerStatus]) -> list[ServerStatus]:
    """Return the servers that cannot be read, the longest failing first."""
    return sorted(
        (server for server in servers if server.is_unread), key=lambda server: (_since(server), server.server)
    )


def state_word(server: ServerStatus, now_ms: int) -> str:
    """Return the state of a server, `no reading` where its agent reports that it cannot read the media server."""
    return NO_READING if server.is_unread and not server.has_silent_agent(now_ms) else server.state


def reason_line(server: ServerStatus, now_ms: int) -> str:
    """Return why an unread server cannot be read and for how long, in one line that is safe for a terminal."""
    age = formats.age(max(0, now_ms - _since(server)))
    silent = f", and no word of its agent for {_silence(server, now_ms)}" if server.has_silent_agent(now_ms) else ""
    return f"{NO_READING} for {age}{silent}: {sanitize(_words(server))}"


def reason_lines(server: ServerStatus, now_ms: int, cells: int, most: int = 6) -> list[str]:
    """Return `reason_line` wrapped to a width, at most so many lines."""
    lines = wrap(reason_line(server, now_ms), max(20, cells)) or [""]
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1][: max(20, cells) - 1] + "…"]


def _since(server: ServerStatus) -> int:
    return 0 if server.source_error_since is UNSET else server.source_error_since


def _words(server: ServerStatus) -> str:
    return "" if server.source_error is UNSET else server.source_error


def _silence(server: ServerStatus, now_ms: int) -> str:
    return "" if server.source_error_at is UNSET else formats.age(max(0, now_ms - server.source_error_at))

"""Tables of servers, orphans and the audit log: their columns. Pure."""

from collections.abc import Sequence
from operator import attrgetter
from zoneinfo import ZoneInfo

from streamusage.api.extension import AuditEntry, Orphan, ServerStatus
from tui.commands.streams import format_stream_name
from tui.model import formats
from tui.model.unread import state_word
from tui.model.unseen import watching
from tui.output import ListColumn, View, attributes

AGREES_MS = 60_000
"""How far the clock of a server's machine may be from the service's."""


def server_view(shown: Sequence[ServerStatus], tz: ZoneInfo, now_ms: int) -> View[ServerStatus]:
    """Return the view of servers, each with its watermark. What needs a repair is shown if a server needs one, and so
    are the reasons of servers that cannot be read.
    """
    ails = any(server.repair for server in shown)
    unread = any(server.is_unread for server in shown)
    return View(
        tz=tz,
        columns=[
            *attributes("server", "role"),
            ListColumn("state", attrgetter("state"), "STATE", lambda server: _state(server, now_ms)),
            *attributes("since", is_time=True),
            ListColumn("last_sync_at", attrgetter("last_sync_at"), "LAST SYNC-UP", is_time=True),
            *attributes("watermark", is_time=True),
            *attributes("sync_interval_ms", "phase", "epoch", "revision"),
            ListColumn(
                "owed_ms",
                attrgetter("owed_ms"),
                "OWES",
                lambda server: formats.duration(server.owed_ms) if server.owed_ms else "",
                figure=True,
            ),
            ListColumn(
                "active_subscribers",
                attrgetter("active_subscribers"),
                "ACTIVE",
                lambda server: formats.count(watching(server)),
                figure=True,
            ),
            *attributes("clock_offset_ms", "removed"),
            *attributes("removed_at", is_time=True),
            ListColumn(
                "repair", lambda server: server.repair or None, "NEEDS REPAIR", lambda server: server.repair or ""
            ),
            ListColumn("source_error", lambda server: server.source_error or None, shrinks=True),
            ListColumn("source_error_since", lambda server: server.source_error_since or None, is_time=True),
            ListColumn("source_error_at", lambda server: server.source_error_at or None, is_time=True),
        ],
        table=[
            *("server", "role", "state", "watermark", "owed_ms", "last_sync_at", "phase", "active_subscribers"),
            *(["repair"] if ails else []),
        ],
        csv=[
            *("server", "role", "state", "since", "last_sync_at", "watermark", "sync_interval_ms", "phase", "epoch"),
            *("revision", "owed_ms", "active_subscribers", "clock_offset_ms", "removed", "removed_at"),
            *(["repair"] if ails else []),
            *(["source_error", "source_error_since", "source_error_at"] if unread else []),
        ],
        narrow=("phase", "last_sync_at", "role", "watermark"),
    )


def orphan_view(tz: ZoneInfo) -> View[Orphan]:
    """Return the view of orphans."""
    return View(
        tz=tz,
        columns=[
            ListColumn("stream", lambda orphan: format_stream_name(orphan.stream), "STREAM", shrinks=True),
            *attributes("scope", "name", shrinks=True),
            ListColumn("startTime", attrgetter("start_time"), "STARTED", is_time=True),
            *attributes("server"),
            ListColumn("endTime", attrgetter("end_time"), "ENDED", is_time=True),
            ListColumn("active", attrgetter("active"), "ACTIVE", lambda row: formats.count(row.active), figure=True),
            ListColumn(
                "highest", attrgetter("highest"), "HIGHEST", lambda row: formats.count(row.highest), figure=True
            ),
            ListColumn("total", attrgetter("total"), "TOTAL", lambda row: formats.count(row.total), figure=True),
            ListColumn("first_at", attrgetter("first_at"), "FIRST REPORT", is_time=True),
            ListColumn("last_at", attrgetter("last_at"), "LAST REPORT", is_time=True),
        ],
        table=("stream", "startTime", "server", "total", "highest", "first_at", "last_at"),
        csv=("scope", "name", "startTime", "server", "endTime", "active", "highest", "total", "first_at", "last_at"),
        narrow=("first_at", "highest", "startTime"),
    )


def audit_view(tz: ZoneInfo) -> View[AuditEntry]:
    """Return the view of the audit log."""
    return View(
        tz=tz,
        columns=[
            *attributes("at", is_time=True),
            *attributes("who", "operation"),
            ListColumn(
                "of",
                lambda entry: f"{entry.scope}/{entry.name}" if entry.scope else entry.name,
                "OF",
                shrinks=True,
            ),
            *attributes("scope", "name", shrinks=True),
            ListColumn(
                "startTime",
                attrgetter("start_time"),
                "START TIME",
                lambda entry: "" if entry.start_time is None else str(entry.start_time),
                figure=True,
                is_time=True,
            ),
            ListColumn(
                "records", attrgetter("records"), "RECORDS", lambda entry: formats.count(entry.records), figure=True
            ),
        ],
        table=("at", "who", "operation", "records", "of", "startTime"),
        csv=("at", "who", "operation", "scope", "name", "startTime", "records"),
        narrow=("startTime",),
    )


def _state(server: ServerStatus, now_ms: int) -> str:
    """Return the state, with a machine's clock that disagrees with the service's by more than a minute."""
    if server.removed:
        return f"removed {server.removed}"
    if server.clock_refused_at is not None:
        return "clock refused"
    if server.is_unread:
        return state_word(server, now_ms)
    offset_ms = server.machine_offset_ms or 0
    if abs(offset_ms) <= AGREES_MS:
        return server.state
    return f"{server.state}, clock {formats.duration(abs(offset_ms))} {'ahead' if offset_ms > 0 else 'behind'}"

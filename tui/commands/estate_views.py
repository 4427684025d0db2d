"""How servers, orphans and the audit log are shown: their columns as a table and their fields as CSV. Pure."""

from zoneinfo import ZoneInfo

from streamusage.answers import AuditEntry, Orphan, ServerState
from tui.commands.streams import written
from tui.commands.views import time_text
from tui.model import formats
from tui.model.formats import UNKNOWN
from tui.output import Column, Field, View, same_named


def server_view(tz: ZoneInfo) -> View[ServerState]:
    """Servers, each with the instant before which it owes nothing more."""
    return View(
        columns=[
            Column("SERVER", lambda server: server.server),
            Column("ROLE", lambda server: server.role),
            Column("STATE", lambda server: f"removed {server.removed}" if server.removed else server.state),
            Column(f"WATERMARK ({tz.key})", lambda server: _time(server.watermark, tz)),
            Column(
                "OWES", lambda server: formats.duration_in_words(server.owed_ms) if server.owed_ms else "", figure=True
            ),
            Column(f"LAST SYNC-UP ({tz.key})", lambda server: _time(server.last_sync_at, tz)),
            Column("PHASE", lambda server: server.phase),
            Column("ACTIVE", lambda server: formats.count(server.active_subscribers), figure=True),
        ],
        fields=[
            *same_named(
                "server",
                "role",
                "state",
                "since",
                "last_sync_at",
                "watermark",
                "sync_interval_ms",
                "phase",
                "epoch",
                "revision",
                "owed_ms",
                "active_subscribers",
                "clock_offset_ms",
                "removed",
                "removed_at",
            ),
        ],
    )


def orphan_view(tz: ZoneInfo) -> View[Orphan]:
    """What came of deleted records."""
    return View(
        columns=[
            Column("STREAM", lambda orphan: written(orphan.stream)),
            Column(f"STARTED ({tz.key})", lambda orphan: time_text(orphan.start_time, tz)),
            Column("SERVER", lambda orphan: orphan.server),
            Column("TOTAL", lambda orphan: formats.count(orphan.total), figure=True),
            Column("HIGHEST", lambda orphan: formats.count(orphan.highest), figure=True),
            Column(f"FIRST CAME ({tz.key})", lambda orphan: time_text(orphan.first_at, tz)),
            Column(f"LAST CAME ({tz.key})", lambda orphan: time_text(orphan.last_at, tz)),
        ],
        fields=[
            *same_named("scope", "name"),
            Field("startTime", lambda orphan: orphan.start_time),
            Field("server", lambda orphan: orphan.server),
            Field("endTime", lambda orphan: orphan.end_time),
            *same_named("active", "highest", "total", "first_at", "last_at"),
        ],
    )


def audit_view(tz: ZoneInfo) -> View[AuditEntry]:
    """The audit log."""
    return View(
        columns=[
            Column(f"AT ({tz.key})", lambda entry: time_text(entry.at, tz)),
            Column("WHO", lambda entry: entry.who),
            Column("OPERATION", lambda entry: entry.operation),
            Column("RECORDS", lambda entry: formats.count(entry.records), figure=True),
            Column("OF", lambda entry: f"{entry.scope}/{entry.name}" if entry.scope else entry.name),
            Column("START TIME", lambda entry: "" if entry.start_time is None else str(entry.start_time), figure=True),
        ],
        fields=[
            *same_named("at", "who", "operation", "scope", "name"),
            Field("startTime", lambda entry: entry.start_time),
            Field("records", lambda entry: entry.records),
        ],
    )


def _time(at_ms: int | None, tz: ZoneInfo) -> str:
    return UNKNOWN if at_ms is None else time_text(at_ms, tz)

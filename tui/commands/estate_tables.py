"""Tables of servers, orphans and the audit log: columns of the table and fields of the CSV. Pure."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from streamusage.api.extension import AuditEntry, Orphan, ServerStatus
from tui.commands.streams import format_stream_name
from tui.commands.tables import time_text
from tui.model import formats
from tui.model.formats import UNKNOWN
from tui.model.unread import state_word
from tui.model.unseen import watching
from tui.output import CsvField, TableColumn, View, same_named

AGREES_MS = 60_000
"""How far the clock of a server's machine may be from the service's."""


def server_view(shown: Sequence[ServerStatus], tz: ZoneInfo, now_ms: int) -> View[ServerStatus]:
    """Return the view of servers, each with its watermark. What needs a repair has a column if a server needs one, and
    so have the reasons of servers that cannot be read.
    """
    ails = any(server.repair for server in shown)
    unread = any(server.is_unread for server in shown)
    return View(
        columns=[
            TableColumn("SERVER", lambda server: server.server),
            TableColumn("ROLE", lambda server: server.role),
            TableColumn("STATE", lambda server: _state(server, now_ms)),
            TableColumn(f"WATERMARK ({tz.key})", lambda server: _time(server.watermark, tz)),
            TableColumn("OWES", lambda server: formats.duration(server.owed_ms) if server.owed_ms else "", figure=True),
            TableColumn(f"LAST SYNC-UP ({tz.key})", lambda server: _time(server.last_sync_at, tz)),
            TableColumn("PHASE", lambda server: server.phase),
            TableColumn("ACTIVE", lambda server: formats.count(watching(server)), figure=True),
            *([TableColumn[ServerStatus]("NEEDS REPAIR", lambda server: server.repair or "")] if ails else []),
        ],
        fields=[
            *same_named(
                "server",
                "role",
                "state",
            ),
            *same_named("since", "last_sync_at", "watermark", is_time=True),
            *same_named(
                "sync_interval_ms",
                "phase",
                "epoch",
                "revision",
                "owed_ms",
                "active_subscribers",
                "clock_offset_ms",
                "removed",
            ),
            *same_named("removed_at", is_time=True),
            *([CsvField[ServerStatus]("repair", lambda server: server.repair or None)] if ails else []),
            *(
                [
                    CsvField[ServerStatus]("source_error", lambda server: server.source_error or None),
                    CsvField[ServerStatus](
                        "source_error_since", lambda server: server.source_error_since or None, is_time=True
                    ),
                    CsvField[ServerStatus](
                        "source_error_at", lambda server: server.source_error_at or None, is_time=True
                    ),
                ]
                if unread
                else []
            ),
        ],
    )


def orphan_view(tz: ZoneInfo) -> View[Orphan]:
    """Return the view of orphans."""
    return View(
        columns=[
            TableColumn("STREAM", lambda orphan: format_stream_name(orphan.stream)),
            TableColumn(f"STARTED ({tz.key})", lambda orphan: time_text(orphan.start_time, tz)),
            TableColumn("SERVER", lambda orphan: orphan.server),
            TableColumn("TOTAL", lambda orphan: formats.count(orphan.total), figure=True),
            TableColumn("HIGHEST", lambda orphan: formats.count(orphan.highest), figure=True),
            TableColumn(f"FIRST REPORT ({tz.key})", lambda orphan: time_text(orphan.first_at, tz)),
            TableColumn(f"LAST REPORT ({tz.key})", lambda orphan: time_text(orphan.last_at, tz)),
        ],
        fields=[
            *same_named("scope", "name"),
            CsvField("startTime", lambda orphan: orphan.start_time, is_time=True),
            CsvField("server", lambda orphan: orphan.server),
            CsvField("endTime", lambda orphan: orphan.end_time, is_time=True),
            *same_named("active", "highest", "total"),
            *same_named("first_at", "last_at", is_time=True),
        ],
    )


def audit_view(tz: ZoneInfo) -> View[AuditEntry]:
    """Return the view of the audit log."""
    return View(
        columns=[
            TableColumn(f"AT ({tz.key})", lambda entry: time_text(entry.at, tz)),
            TableColumn("WHO", lambda entry: entry.who),
            TableColumn("OPERATION", lambda entry: entry.operation),
            TableColumn("RECORDS", lambda entry: formats.count(entry.records), figure=True),
            TableColumn("OF", lambda entry: f"{entry.scope}/{entry.name}" if entry.scope else entry.name),
            TableColumn(
                "START TIME", lambda entry: "" if entry.start_time is None else str(entry.start_time), figure=True
            ),
        ],
        fields=[
            *same_named("at", is_time=True),
            *same_named("who", "operation", "scope", "name"),
            CsvField("startTime", lambda entry: entry.start_time, is_time=True),
            CsvField("records", lambda entry: entry.records),
        ],
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


def _time(at_ms: int | None, tz: ZoneInfo) -> str:
    return UNKNOWN if at_ms is None else time_text(at_ms, tz)

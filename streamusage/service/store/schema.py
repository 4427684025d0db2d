"""The store's tables, the same on SQLite and PostgreSQL. Every change here needs a revision under `migrations/`.

Counts, bytes and times are whole numbers in 64-bit columns; times are UTC milliseconds. Flags are 0 or 1. A stream is
indexed by its digest (`stream_key`): names may be longer than an index entry can be.
"""

from hashlib import blake2b

from sqlalchemy import Column, Index, LargeBinary, Table

from streamusage.service.store.columns import metadata, number, stream, text


def stream_key(scope: str, name: str) -> bytes:
    """The digest that stands for a stream in keys and indexes; two streams never share one."""
    scope_bytes = scope.encode()
    return blake2b(b"%d:%b%b" % (len(scope_bytes), scope_bytes, name.encode()), digest_size=16).digest()


servers = Table(
    "servers",
    metadata,
    text("server", key=True),
    text("role"),
    number("epoch"),  # the active one; 0 until the first report
    text("life"),  # of the agent's journal
    number("issued"),
    number("acknowledged"),  # the active epoch's revision
    number("since", null=True),  # the start of what the server is accounted for
    number("watermark", null=True),
    Column("baseline", LargeBinary, nullable=True),  # JSON of report.Baseline
    number("sync_interval_ms"),
    text("phase"),
    number("last_sync_at", null=True),
    number("clock_offset_ms"),
    text("owes"),  # missing or held while its figures are overdue, as its live sessions stand in `usage`
    number("unreachable", default="0"),  # 1: silent beyond the edge timeout, its subscribers count as lost
    text("removed", default=""),  # in order, or by force; empty while it is part of the estate
    number("removed_at", null=True),
    number("summed_to", default="0"),  # its hours before this instant are in `hours`
    number("closed_to", default="0"),  # the end of its last closed day
)

slots = Table(
    "slots",
    metadata,
    text("server", key=True),
    number("epoch", key=True),
    number("slot", key=True),
    number("revision"),
    number("bytes_in"),
    number("bytes_out"),
    number("view_time_ms"),
    number("peak_in_bps", null=True),
    number("peak_in_at", null=True),
    number("peak_in_window_ms", null=True),
    number("peak_out_bps", null=True),
    number("peak_out_at", null=True),
    number("peak_out_window_ms", null=True),
    number("late_bytes_in"),  # the part that arrived late
    number("late_bytes_out"),
    number("late_view_time_ms"),
    Index("slots_by_time", "slot", "server"),
    sqlite_with_rowid=False,
)

slot_connections = Table(
    "slot_connections",
    metadata,
    text("server", key=True),
    number("epoch", key=True),
    number("slot", key=True),
    text("protocol", key=True),
    number("connections"),
    number("late_connections"),
    Index("slot_connections_by_time", "slot", "server"),
    sqlite_with_rowid=False,
)

spans = Table(
    "spans",
    metadata,
    text("server", key=True),
    number("from_ms", key=True),
    number("to_ms"),
    text("state"),
    text("reason"),
    number("detected_at", null=True),
    number("filled_at", null=True),
    Index("spans_by_end", "server", "to_ms"),
    sqlite_with_rowid=False,
)

outages = Table(
    "outages",
    metadata,
    text("server", key=True),
    number("from_ms", key=True),
    number("to_ms"),  # when the newest of its phases began
    Column("phases", LargeBinary, nullable=False),  # JSON of report.PhaseChange
    number("failed_attempts"),
    text("error"),
    number("left_out"),
    Index("outages_by_end", "server", "to_ms"),
    sqlite_with_rowid=False,
)

server_sessions = Table(
    "server_sessions",
    metadata,
    text("server", key=True),
    number("epoch", key=True),
    text("publish_id", key=True),
    number("revision"),
    stream(),
    text("scope"),
    text("name"),
    number("start_time"),
    number("end_time"),
    number("live"),
    number("active"),
    number("highest"),
    number("total"),
    number("anchors"),  # 1: its start time makes a session; 0: an edge's, which joins one
    number("late"),  # its newest figures came too late to be live
    number("session_start"),  # start_time of the usage record that it is part of
    Index("server_sessions_by_session", "stream", "session_start"),
    Index("server_sessions_by_publish", "server", "publish_id"),
    Index("server_sessions_live", "live", "server"),
    sqlite_with_rowid=False,
)

viewers = Table(
    "viewers",
    metadata,
    text("server", key=True),
    text("viewer_id", key=True),
    number("revision"),
    text("scope"),
    text("name"),
    text("protocol"),
    number("started_at"),
    text("publish_id"),
    number("counted_to", null=True),
    sqlite_with_rowid=False,
)

samples = Table(
    "samples",
    metadata,
    text("server", key=True),
    number("slot", key=True),
    stream(key=True),
    number("epoch"),
    number("revision"),
    number("active"),
    number("highest"),
    number("late"),
    Index("samples_by_stream", "stream", "slot"),
    sqlite_with_rowid=False,
)

usage = Table(
    "usage",
    metadata,
    stream(key=True),
    number("start_time", key=True),
    text("scope"),
    text("name"),
    number("end_time"),
    number("duration"),
    number("active_subscribers"),
    number("max_subscribers"),
    number("lost_subscribers"),
    number("total_subscribers"),
    number("updated"),
    number("live"),
    text("provenance"),
    number("touched_at", default="0"),  # when the service last wrote it: retention goes by this
    number("change"),  # the newest change of any row is the highest
    Index("usage_by_change", "change", unique=True),
    sqlite_with_rowid=False,
)

tombstones = Table(
    "tombstones",
    metadata,
    stream(key=True),
    number("start_time", key=True),
    text("scope"),
    text("name"),
    number("deleted_at"),
    text("reason"),  # deleted, discarded: stays so. joined: is part of another session, or of none for now
    number("change"),
    Index("tombstones_by_change", "change", unique=True),
    sqlite_with_rowid=False,
)

orphans = Table(
    "orphans",
    metadata,
    stream(key=True),
    number("start_time", key=True),
    text("server", key=True),
    number("epoch", key=True),
    text("publish_id", key=True),
    text("scope"),
    text("name"),
    number("end_time"),
    number("active"),
    number("highest"),
    number("total"),
    number("first_at"),  # when the first row came after the delete
    number("last_at"),
    sqlite_with_rowid=False,
)

audit = Table(
    "audit",
    metadata,
    number("at", key=True),
    text("id", key=True),
    text("who"),  # the token's name, never the token
    text("operation"),
    text("scope"),
    text("name"),
    number("start_time", null=True),
    number("records"),
)

held = Table(
    "held",
    metadata,
    text("server", key=True),
    text("digest", key=True),
    number("received_at"),
    number("last_at"),
    number("times"),
    number("epoch"),
    number("since"),
    number("upto"),
    number("from_ms"),
    number("to_ms"),
    text("reason"),
    Column("body", LargeBinary, nullable=False),
    number("open"),  # 0: a later report brought all of it
)

lives = Table(
    "lives",
    metadata,
    number("number", key=True),
    text("life"),  # one start of a service on this store
    number("first_change"),
    number("started_at"),
    Index("lives_by_name", "life", unique=True),
)

counters = Table(
    "counters",
    metadata,
    text("name", key=True),
    number("value"),
)

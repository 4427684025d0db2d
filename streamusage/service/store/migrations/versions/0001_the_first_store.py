"""The first store."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "audit",
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("who", TEXT, nullable=False),
        sa.Column("operation", TEXT, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("start_time", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("records", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("at", "id"),
    )
    op.create_table(
        "counters",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "held",
        sa.Column("server", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("received_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("times", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("upto", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("from_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("to_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("open", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("server", "digest"),
    )
    op.create_table(
        "lives",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("life", TEXT, nullable=False),
        sa.Column("first_change", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("started_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("lives_by_name", "lives", ["life"], unique=True)
    op.create_table(
        "orphans",
        sa.Column("stream", sa.LargeBinary(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("server", TEXT, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("publish_id", TEXT, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("end_time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("active", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("highest", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("total", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("stream", "start_time", "server", "epoch", "publish_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "samples",
        sa.Column("server", TEXT, nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stream", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("active", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("highest", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("late", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("server", "slot", "stream"),
        sqlite_with_rowid=False,
    )
    op.create_index("samples_by_stream", "samples", ["stream", "slot"], unique=False)
    op.create_table(
        "server_sessions",
        sa.Column("server", TEXT, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("publish_id", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stream", sa.LargeBinary(), nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("start_time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end_time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("live", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("active", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("highest", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("total", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("anchors", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("late", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("session_start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("server", "epoch", "publish_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("server_sessions_by_publish", "server_sessions", ["server", "publish_id"], unique=False)
    op.create_index("server_sessions_by_session", "server_sessions", ["stream", "session_start"], unique=False)
    op.create_index("server_sessions_live", "server_sessions", ["live", "server"], unique=False)
    op.create_table(
        "servers",
        sa.Column("server", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("life", TEXT, nullable=False),
        sa.Column("issued", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("acknowledged", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("watermark", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("baseline", sa.LargeBinary(), nullable=True),
        sa.Column("sync_interval_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("phase", TEXT, nullable=False),
        sa.Column("last_sync_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("clock_offset_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owes", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("server"),
    )
    op.create_table(
        "slot_connections",
        sa.Column("server", TEXT, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("protocol", TEXT, nullable=False),
        sa.Column("connections", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("late_connections", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("server", "epoch", "slot", "protocol"),
        sqlite_with_rowid=False,
    )
    op.create_index("slot_connections_by_time", "slot_connections", ["slot", "server"], unique=False)
    op.create_table(
        "slots",
        sa.Column("server", TEXT, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bytes_in", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bytes_out", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("view_time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("peak_in_bps", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("peak_in_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("peak_in_window_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("peak_out_bps", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("peak_out_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("peak_out_window_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("late_bytes_in", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("late_bytes_out", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("late_view_time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("server", "epoch", "slot"),
        sqlite_with_rowid=False,
    )
    op.create_index("slots_by_time", "slots", ["slot", "server"], unique=False)
    op.create_table(
        "spans",
        sa.Column("server", TEXT, nullable=False),
        sa.Column("from_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("to_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("detected_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("filled_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("server", "from_ms"),
        sqlite_with_rowid=False,
    )
    op.create_index("spans_by_end", "spans", ["server", "to_ms"], unique=False)
    op.create_table(
        "tombstones",
        sa.Column("stream", sa.LargeBinary(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("change", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("stream", "start_time"),
        sqlite_with_rowid=False,
    )
    op.create_index("tombstones_by_change", "tombstones", ["change"], unique=True)
    op.create_table(
        "usage",
        sa.Column("stream", sa.LargeBinary(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("end_time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("duration", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("active_subscribers", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("max_subscribers", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lost_subscribers", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("total_subscribers", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("updated", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("live", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("provenance", TEXT, nullable=False),
        sa.Column("change", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("stream", "start_time"),
        sqlite_with_rowid=False,
    )
    op.create_index("usage_by_change", "usage", ["change"], unique=True)
    op.create_table(
        "viewers",
        sa.Column("server", TEXT, nullable=False),
        sa.Column("viewer_id", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("protocol", TEXT, nullable=False),
        sa.Column("started_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("publish_id", TEXT, nullable=False),
        sa.Column("counted_to", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("server", "viewer_id"),
        sqlite_with_rowid=False,
    )

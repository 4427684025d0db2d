"""Void entries of closed days: a day may be closed again, at another revision. Adjustments name theirs."""

import sqlalchemy as sa
from alembic import op

revision = "0009_void_closings"
down_revision = "0008_trusted_time"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision. The tables are copied, because not every engine can change a primary key."""
    op.create_table(
        "closings",
        sa.Column("tz", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("server", TEXT, nullable=False),
        sa.Column("from_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("to_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("closed_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("closed_by", TEXT, nullable=False),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("watermark", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("figures", sa.LargeBinary(), nullable=False),
        sa.Column("samples", sa.LargeBinary(), nullable=False),
        sa.Column("current", sa.LargeBinary(), nullable=True),
        sa.Column("entries", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("adjusted_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("tz", "day", "server", "revision"),
    )
    columns = (
        "tz, day, server, from_ms, to_ms, revision, closed_at, closed_by, rule, watermark, figures, samples, "
        "current, entries, adjusted_at"
    )
    op.execute(f"INSERT INTO closings ({columns}) SELECT {columns} FROM closed_days")
    op.create_table(
        "entries",
        sa.Column("tz", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("server", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("difference", sa.LargeBinary(), nullable=False),
        sa.Column("current", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tz", "day", "server", "revision", "entry"),
    )
    op.execute(
        "INSERT INTO entries (tz, day, server, revision, entry, at, difference, current) "
        "SELECT a.tz, a.day, a.server, c.revision, a.entry, a.at, a.difference, a.current "
        "FROM adjustments a JOIN closed_days c ON c.tz = a.tz AND c.day = a.day AND c.server = a.server"
    )
    op.drop_table("adjustments")
    op.drop_table("closed_days")
    op.rename_table("closings", "closed_days")
    op.rename_table("entries", "adjustments")
    op.create_index("closed_days_by_server", "closed_days", ["server", "to_ms"], unique=False)
    op.create_index("adjustments_by_time", "adjustments", ["at"], unique=False)
    op.create_table(
        "voids",
        sa.Column("tz", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("server", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tz", "day", "server", "revision"),
    )

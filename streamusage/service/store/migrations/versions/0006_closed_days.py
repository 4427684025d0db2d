"""Hourly rollups, closed days, and the ledger of their adjustments."""

import sqlalchemy as sa
from alembic import op

revision = "0006_closed_days"
down_revision = "0002"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("servers", sa.Column("summed_to", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("servers", sa.Column("closed_to", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "hours",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("server", TEXT, nullable=False),
        sa.Column("whole", sa.LargeBinary(), nullable=False),
        sa.Column("quarters", sa.LargeBinary(), nullable=False),
        sa.Column("minutes_in", sa.LargeBinary(), nullable=False),
        sa.Column("minutes_out", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "server"),
    )
    op.create_index("hours_by_server", "hours", ["server", "hour"], unique=False)
    op.create_table(
        "closed_days",
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
        sa.PrimaryKeyConstraint("tz", "day", "server"),
    )
    op.create_index("closed_days_by_server", "closed_days", ["server", "to_ms"], unique=False)
    op.create_table(
        "adjustments",
        sa.Column("tz", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("server", TEXT, nullable=False),
        sa.Column("entry", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("difference", sa.LargeBinary(), nullable=False),
        sa.Column("current", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tz", "day", "server", "entry"),
    )
    op.create_index("adjustments_by_time", "adjustments", ["at"], unique=False)

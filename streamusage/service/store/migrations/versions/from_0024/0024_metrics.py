"""What each server reported in total, and hours by scope beside the hours by stream."""

import sqlalchemy as sa
from alembic import op

revision = "0024_metrics"
down_revision = "0023_cross_checks_and_folds"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SUMS = ("connections", "bytes_in", "bytes_out", "view_time_ms")


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "totals",
        sa.Column("server", TEXT, nullable=False),
        sa.Column("protocol", TEXT, nullable=False),
        *(
            sa.Column(prefix + name, sa.BigInteger(), server_default="0", nullable=False)
            for prefix in ("", "late_")
            for name in SUMS
        ),
        sa.PrimaryKeyConstraint("server", "protocol"),
    )
    op.add_column("stream_hours", sa.Column("scopes", sa.LargeBinary(), nullable=True))
    op.add_column("stream_hours", sa.Column("stamp", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index("stream_hours_by_stamp", "stream_hours", ["hour", "stamp"])

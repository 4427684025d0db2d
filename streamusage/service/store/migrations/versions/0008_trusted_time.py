"""Trusted time: confirmed instants by boot id, times that operators accepted, and what a server's clock shows."""

import sqlalchemy as sa
from alembic import op

revision = "0008_trusted_time"
down_revision = "0007_outages"

written = "2026-01-01"
"""First day of the year in which this revision was written: no earlier wall clock can be right. It catches clocks
without a battery; a clock that is months behind is caught by the store and the machines.
"""

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("servers", sa.Column("machine_offset_ms", sa.BigInteger(), nullable=True))
    op.add_column("servers", sa.Column("clock_refused_at", sa.BigInteger(), nullable=True))
    op.add_column("servers", sa.Column("clock_refused_by_ms", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "clocks",
        sa.Column("boot", TEXT, nullable=False),
        sa.Column("instant_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("elapsed_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("boot"),
    )
    op.create_table(
        "accepted_times",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )

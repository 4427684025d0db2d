"""The chain of closings, and corrections of closed days.

The closings and void entries of before get their entries from the service, a batch at a time (`accounting/chain.py`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0018_chain_and_corrections"
down_revision = "0017_partitions"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "chain",
        sa.Column("number", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("tz", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("server", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("correction", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("chain_by_closing", "chain", ["tz", "day", "server", "revision", "kind"])
    op.create_table(
        "corrections",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("tz", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("server", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("difference", sa.LargeBinary(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("proposed_by", TEXT, nullable=False),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("approved_by", TEXT, nullable=False),
        sa.Column("reverses", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("corrections_by_day", "corrections", ["tz", "day", "server", "revision"])
    op.create_index("corrections_by_approval", "corrections", ["approved_at"])
    op.create_index("corrections_by_reversed", "corrections", ["reverses"])
    op.add_column("closed_days", sa.Column("considered", sa.BigInteger(), server_default="0", nullable=False))
    unconsidered = sa.text("entries > considered")
    op.create_index(
        "closed_days_unconsidered",
        "closed_days",
        ["revision"],
        sqlite_where=unconsidered,
        postgresql_where=unconsidered,
    )

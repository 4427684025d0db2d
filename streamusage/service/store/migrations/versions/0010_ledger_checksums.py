"""Checksums of closed days and their adjustments, and the provenance of imported records.

Rows of the ledger from before have no checksums. A record without a part of any server was imported.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010_ledger_checksums"
down_revision = "0009_void_closings"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "ledger_checksums",
        sa.Column("tz", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("server", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("checksum", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("tz", "day", "server", "revision", "entry"),
    )
    op.execute(
        "UPDATE usage SET provenance = 'imported' WHERE NOT EXISTS (SELECT 1 FROM server_sessions AS part "
        "WHERE part.stream = usage.stream AND part.session_start = usage.start_time)"
    )

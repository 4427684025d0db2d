"""Unreachable and removed servers, and the time of a usage record's last write."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("servers", sa.Column("unreachable", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("servers", sa.Column("removed", TEXT, nullable=False, server_default=""))
    op.add_column("servers", sa.Column("removed_at", sa.BigInteger(), nullable=True))
    op.add_column("usage", sa.Column("touched_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE usage SET touched_at = updated")

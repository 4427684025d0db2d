"""The epoch that the active one continued, by which an agent recognizes a store that was restored."""

import sqlalchemy as sa
from alembic import op

revision = "0015_previous_epoch"
down_revision = "0014_unseen_subscribers"


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("servers", sa.Column("previous_epoch", sa.BigInteger(), server_default="0", nullable=False))

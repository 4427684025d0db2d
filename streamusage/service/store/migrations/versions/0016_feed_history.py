"""The history of the database in which a life of the change feed began: a failover continues another one."""

import sqlalchemy as sa
from alembic import op

revision = "0016_feed_history"
down_revision = "0015_previous_epoch"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("lives", sa.Column("history", TEXT, server_default="", nullable=False))

"""Closed days keep their figures by stream."""

import sqlalchemy as sa
from alembic import op

revision = "0021_closed_streams"
down_revision = "0020_stream_hours"


def upgrade() -> None:
    """Apply the revision."""
    for name in ("streams", "stream_minutes", "current_streams"):
        op.add_column("closed_days", sa.Column(name, sa.LargeBinary(), nullable=True))

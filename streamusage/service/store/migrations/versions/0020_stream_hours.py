"""Hours by stream: one row for each hour and server with all of its streams."""

import sqlalchemy as sa
from alembic import op

revision = "0020_stream_hours"
down_revision = "0019_streams_of_slots"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "stream_hours",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("server", TEXT, nullable=False),
        sa.Column("figures", sa.LargeBinary(), nullable=False),
        sa.Column("minutes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "server"),
    )
    op.create_index("stream_hours_by_server", "stream_hours", ["server", "hour"])

"""Figures by stream: one row for each slot with all of its streams, divided by month on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0019_streams_of_slots"
down_revision = "0018_chain_and_corrections"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "stream_slots",
        sa.Column("server", TEXT, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("streams", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("server", "epoch", "slot"),
        postgresql_partition_by="RANGE (slot)",
    )
    op.create_index("stream_slots_by_time", "stream_slots", ["slot", "server"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TABLE stream_slots_default PARTITION OF stream_slots DEFAULT")

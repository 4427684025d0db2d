"""Alerts, their messages and receivers, silences, and the process that sends. An index of lost time."""

import sqlalchemy as sa
from alembic import op

revision = "0025_alerts"
down_revision = "0024_metrics"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
IS_LOST = sa.text("state = 'lost'")


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "alerts",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("phase", TEXT, nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("alerts_by_phase", "alerts", ["phase", "resolved_at"])
    op.create_table(
        "alert_messages",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("receiver", TEXT, nullable=False),
        sa.Column("event", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("alert_messages_by_receiver", "alert_messages", ["receiver", "number"])
    op.create_table(
        "alert_receivers",
        sa.Column("name", TEXT, nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
            for name in ("attempts", "next_at", "delivered", "failures", "dropped", "refreshed_at")
        ),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("failed_at", sa.BigInteger(), nullable=True),
        sa.Column("error", TEXT, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "alert_silences",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("alert_silences_by_end", "alert_silences", ["ends_at"])
    op.create_table(
        "alert_sender",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("spans_lost", "spans", ["to_ms"], sqlite_where=IS_LOST, postgresql_where=IS_LOST)

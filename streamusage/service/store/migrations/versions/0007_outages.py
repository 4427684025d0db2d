"""Outages as agents report them: phases, attempts and the error."""

import sqlalchemy as sa
from alembic import op

revision = "0007_outages"
down_revision = "0006_closed_days"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "outages",
        sa.Column("server", TEXT, nullable=False),
        sa.Column("from_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("to_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("phases", sa.LargeBinary(), nullable=False),
        sa.Column("failed_attempts", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("error", TEXT, nullable=False),
        sa.Column("left_out", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("server", "from_ms"),
        sqlite_with_rowid=False,
    )
    op.create_index("outages_by_end", "outages", ["server", "to_ms"], unique=False)

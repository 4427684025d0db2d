"""Parts of accepted reports that wait to be applied."""

import sqlalchemy as sa
from alembic import op

revision = "0011_report_parts"
down_revision = "0010_ledger_checksums"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("servers", sa.Column("parts_pending", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "report_parts",
        sa.Column("server", TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("server", "number"),
    )

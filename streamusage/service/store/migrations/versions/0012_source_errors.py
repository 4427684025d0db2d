"""Why an agent cannot read its media server, so that a server without any reading is listed."""

import sqlalchemy as sa
from alembic import op

revision = "0012_source_errors"
down_revision = "0011_report_parts"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("servers", sa.Column("source_error", TEXT, server_default="", nullable=False))
    op.add_column("servers", sa.Column("source_error_since", sa.BigInteger(), nullable=True))
    op.add_column("servers", sa.Column("source_error_at", sa.BigInteger(), nullable=True))

"""From when on minutes and hours of a server are kept: earlier ones are folded to hours and to UTC days."""

import sqlalchemy as sa
from alembic import op

revision = "0023_folded_rows"
down_revision = "0022_customers"


def upgrade() -> None:
    """Apply the revision."""
    for name in ("minutes_kept_from", "hours_kept_from"):
        op.add_column("servers", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))

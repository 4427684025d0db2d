"""The starts of viewers."""

import sqlalchemy as sa
from alembic import op

revision = "0013_starts"
down_revision = "0012_source_errors"


def upgrade() -> None:
    """Apply the revision."""
    for name in ("starts", "late_starts"):
        op.add_column("slots", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))

"""Closed days keep their figures by customer, and the rules that made them."""

import sqlalchemy as sa
from alembic import op

revision = "0022_customers"
down_revision = "0021_closed_streams"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "customer_rules",
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("rules", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.add_column("corrections", sa.Column("customers", sa.LargeBinary(), nullable=True))
    op.add_column("closed_days", sa.Column("customers", sa.LargeBinary(), nullable=True))

"""Hours whose figures are to be compared, the disagreements that were found, and from when on rows are kept.

Closed days keep their disagreements. Earlier minutes and hours of a server are folded to hours and to UTC days.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023_cross_checks_and_folds"
down_revision = "0022_customers"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "unchecked_hours",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("server", TEXT, nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "server"),
    )
    op.create_table(
        "disagreements",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("server", TEXT, nullable=False),
        sa.Column("stream", sa.LargeBinary(), nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("figure", TEXT, nullable=False),
        sa.Column("first_figure", sa.BigInteger(), nullable=False),
        sa.Column("second_figure", sa.BigInteger(), nullable=False),
        sa.Column("edges", sa.LargeBinary(), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "kind", "server", "stream"),
    )
    op.create_index("disagreements_open", "disagreements", ["open", "kind"])
    op.add_column("closed_days", sa.Column("disagreements", sa.LargeBinary(), nullable=True))
    for name in ("minutes_kept_from", "hours_kept_from"):
        op.add_column("servers", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))

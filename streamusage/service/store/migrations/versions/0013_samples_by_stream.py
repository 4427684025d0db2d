"""Samples in the order of their streams, without a second index; indexes of what retention looks up; cumulative
figures of UTC days.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013_samples_by_stream"
down_revision = "0012_source_errors"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COLUMNS = ("server", "stream", "slot", "epoch", "revision", "active", "highest", "late")


def upgrade() -> None:
    """Apply the revision."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")
    op.add_column("servers", sa.Column("days_summed_to", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "utc_days",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("server", TEXT, nullable=False),
        sa.Column("figures", sa.LargeBinary(), nullable=False),
        sa.Column("samples", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("day", "server"),
    )
    for table, column, flag in (
        ("usage", "touched_at", "live"),
        ("server_sessions", "end_time", "live"),
        ("held", "last_at", "open"),
    ):
        ended = sa.text(f"{flag} <> 1")
        op.create_index(f"{table}_ended", table, [column], sqlite_where=ended, postgresql_where=ended)
    op.create_index("tombstones_by_time", "tombstones", ["deleted_at"])
    op.create_index("orphans_by_time", "orphans", ["last_at"])
    op.drop_index("samples_by_stream", "samples")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE samples DROP CONSTRAINT samples_pkey, ADD PRIMARY KEY (server, stream, slot)")
        return
    # A SQLite table without row ids is stored in the order of its primary key: its rows move to another table.
    op.rename_table("samples", "samples_before")
    op.create_table(
        "samples",
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("stream", sa.LargeBinary(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False) for name in COLUMNS[2:]),
        sa.PrimaryKeyConstraint("server", "stream", "slot"),
        sqlite_with_rowid=False,
    )
    listed = ", ".join(COLUMNS)
    op.execute(f"INSERT INTO samples ({listed}) SELECT {listed} FROM samples_before ORDER BY server, stream, slot")
    op.drop_table("samples_before")

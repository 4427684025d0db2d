"""Tables divided by time on PostgreSQL, and on both engines spans that lie in one UTC day each."""

from alembic import op

from streamusage.service.store.migrations.divided_tables import divide

revision = "0017_partitions"
down_revision = "0016_feed_history"

DAY = 86_400_000
MIDNIGHT = f"(from_ms - from_ms % {DAY} + {DAY})"
"""The first midnight after the start of a span."""
OTHERS = "state, reason, detected_at, filled_at"


def upgrade() -> None:
    """Apply the revision."""
    if op.get_bind().dialect.name == "postgresql":
        divide(op.get_bind())
    op.execute(
        f"INSERT INTO spans (server, from_ms, to_ms, {OTHERS}) "
        f"WITH RECURSIVE parts (server, from_ms, end_ms, {OTHERS}) AS ("
        f"SELECT server, {MIDNIGHT}, to_ms, {OTHERS} FROM spans WHERE {MIDNIGHT} < to_ms "
        f"UNION ALL SELECT server, from_ms + {DAY}, end_ms, {OTHERS} FROM parts WHERE from_ms + {DAY} < end_ms) "
        f"SELECT server, from_ms, CASE WHEN from_ms + {DAY} < end_ms THEN from_ms + {DAY} ELSE end_ms END, {OTHERS} "
        "FROM parts WHERE true ON CONFLICT (server, from_ms) DO NOTHING"
    )
    op.execute(f"UPDATE spans SET to_ms = {MIDNIGHT} WHERE {MIDNIGHT} < to_ms")

"""How many active subscribers of a record are at servers that owe newer figures."""

import sqlalchemy as sa
from alembic import op

revision = "0014_unseen_subscribers"
down_revision = "0013_samples_by_stream"

_COUNTED = """
    SELECT part.stream, part.session_start, sum(part.active) AS unseen,
           row_number() OVER (ORDER BY part.stream, part.session_start) AS place
    FROM server_sessions AS part JOIN servers AS server ON server.server = part.server AND server.epoch = part.epoch
    WHERE part.live = 1 AND part.active > 0 AND server.owes <> '' AND server.unreachable = 0 AND server.removed = ''
    GROUP BY part.stream, part.session_start
"""


def upgrade() -> None:
    """Apply the revision. Records of which a server owes figures change, so that consoles receive them again."""
    op.add_column("usage", sa.Column("unseen_subscribers", sa.BigInteger(), server_default="0", nullable=False))
    newest = "(SELECT value FROM counters WHERE name = 'change')"
    op.execute(
        f"UPDATE usage SET unseen_subscribers = counted.unseen, change = {newest} + counted.place "
        f"FROM ({_COUNTED}) AS counted WHERE usage.stream = counted.stream "
        "AND usage.start_time = counted.session_start AND usage.live = 1"
    )
    op.execute(
        "UPDATE counters SET value = (SELECT max(change) FROM usage) WHERE name = 'change' "
        "AND value < (SELECT max(change) FROM usage)"
    )

"""Cuts spans at midnight that a process of an earlier version wrote: it extends the last span in place.

Such a process may use the same PostgreSQL store until all processes are upgraded.
"""

from typing import Any

from sqlalchemy import Connection, Select, select

from streamusage.service.rules.utc_days import DAY_MS
from streamusage.service.store.schema import spans
from streamusage.service.store.server_rows import piece_of_row, write_pieces

LOOK_BACK_MS = 60 * DAY_MS
"""Longer than the time that an agent may owe."""


def has_long_spans(connection: Connection, now_ms: int) -> bool:
    """Return whether there is a span to cut."""
    return connection.execute(_long_spans(now_ms).limit(1)).first() is not None


def cut_long_spans(connection: Connection, now_ms: int) -> int:
    """Cut the spans that began lately and that lie in several UTC days. Return how many there were."""
    rows = connection.execute(_long_spans(now_ms)).all()
    for row in rows:
        write_pieces(connection, row.server, [piece_of_row(row)])
    return len(rows)


def _long_spans(now_ms: int) -> Select[Any]:
    midnight = spans.c.from_ms - spans.c.from_ms % DAY_MS + DAY_MS
    return select(spans).where(spans.c.to_ms > midnight, spans.c.from_ms > now_ms - LOOK_BACK_MS)

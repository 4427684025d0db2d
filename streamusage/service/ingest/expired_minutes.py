"""Leaves minutes that retention discarded out of late reports: nothing is known of them any more to compare with.

Their rows may be deleted, or hidden in a partition that has not expired as a whole. To use what is hidden would make
the result depend on the engine and on when a partition is dropped; to count the minute as new would count it twice.
"""

from sqlalchemy import Connection

from streamusage.service.rules.folding import Rows, oldest_minute, without_minutes_before
from streamusage.service.store.audit import record_audit
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, read_counter

LEAST_AGE_MS = 86_400_000
"""The shortest retention of minutes: younger ones have not expired. A later limit is that of a clock that was ahead,
and is set back by a repair.
"""
OPERATION = "discard late minutes"
"""The operation of the audit log's entry."""


def leave_out_expired(connection: Connection, rows: Rows, now_ms: int) -> Rows:
    """Return the rows of a report, or of a part of one, without minutes that retention has discarded."""
    oldest = oldest_minute(rows)
    latest_limit = now_ms - LEAST_AGE_MS
    if oldest is None or oldest >= latest_limit:
        return rows
    kept_from = read_counter(connection, SLOTS_KEPT_FROM)
    return rows if oldest >= kept_from or kept_from > latest_limit else without_minutes_before(rows, kept_from)


def record_left_out(connection: Connection, server: str, rows: Rows, kept: Rows, now_ms: int) -> None:
    """Record in the audit log how many minutes of a server's rows were left out, if any were."""
    left_out = len({row.slot for row in rows.slots}) - len({row.slot for row in kept.slots})
    if left_out:
        record_audit(connection, "retention", OPERATION, now_ms, records=left_out, server=server)

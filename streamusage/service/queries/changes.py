"""Queries what changed or was deleted since a cursor, oldest change first, in pages."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import starmap
from typing import Any, NamedTuple

from msgspec import UNSET
from sqlalchemy import Connection, bindparam, select

from streamusage.api.extension import Changes, DeletedSession, SessionRecord
from streamusage.core.coverage import IMPORTED, Provenance
from streamusage.service.store.change_feed import (
    TOMBSTONES_FORGOTTEN,
    ChangeCursor,
    is_valid_cursor,
    last_change,
    newest_life,
    parse_cursor,
    read_counter,
)
from streamusage.service.store.records import RECORD_COLUMNS
from streamusage.service.store.schema import tombstones, usage
from streamusage.service.store.statements import PreparedStatement

_RECORDS_AFTER = PreparedStatement(
    select(usage.c.change, *RECORD_COLUMNS, usage.c.live, usage.c.provenance, usage.c.unseen_subscribers)
    .where(usage.c.change > bindparam("after"))
    .order_by(usage.c.change)
    .limit(bindparam("at_most"))
)
_DELETED_AFTER = PreparedStatement(
    select(tombstones.c.change, tombstones.c.scope, tombstones.c.name, tombstones.c.start_time)
    .where(tombstones.c.change > bindparam("after"))
    .order_by(tombstones.c.change)
    .limit(bindparam("at_most"))
)


class ChangesState(NamedTuple):
    """What a page depends on besides its cursor and limit. Equal states have equal pages."""

    life: str
    newest: int
    forgotten: int
    """The newest change of any tombstone that was forgotten: older cursors are invalid."""


def changes_state(connection: Connection) -> ChangesState:
    """Return the state of the store's changes."""
    newest = last_change(connection) or 0
    return ChangesState(newest_life(connection), newest, read_counter(connection, TOMBSTONES_FORGOTTEN))


def changes_since(connection: Connection, cursor_text: str | None, limit: int, now_ms: int) -> Changes:
    """Return the page after the cursor. If the cursor is not of this store's history, begin again with `reset`."""
    newest = last_change(connection) or 0
    cursor = parse_cursor(cursor_text) if cursor_text else None
    reset = bool(cursor_text) and (cursor is None or not is_valid_cursor(connection, cursor))
    if cursor is None or reset:
        # A new console needs no earlier deletes.
        cursor = ChangeCursor("", 0, newest)
    records = _RECORDS_AFTER.rows(connection, after=cursor.change, at_most=limit + 1)
    deleted_after = max(cursor.change, cursor.deletes_from)
    deleted = _DELETED_AFTER.rows(connection, after=deleted_after, at_most=limit + 1)
    numbers = sorted([row.change for row in records] + [row.change for row in deleted])
    more = len(numbers) > limit
    upto = numbers[limit - 1] if more else newest
    return Changes(
        now=now_ms,
        cursor=str(ChangeCursor(newest_life(connection), upto, cursor.deletes_from if more else 0)),
        reset=reset,
        more=more,
        records=list(starmap(SessionRecord, _fields(row for row in records if row.change <= upto))),
        deleted_sessions=[DeletedSession(row.scope, row.name, row.start_time) for row in deleted if row.change <= upto],
    )


def _fields(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    for _, *record, live, provenance, unseen in rows:
        if provenance == IMPORTED:
            yield *record, bool(live), Provenance.PARTIAL, True
        elif unseen:
            yield *record, bool(live), Provenance(provenance), UNSET, unseen
        else:
            yield *record, bool(live), Provenance(provenance)

"""Change numbers and cursors: which state of the store a console has seen, and whether its cursor is still valid.

Every change of a usage record or tombstone has its own number, one higher than the previous, allocated at the end of
the transaction that makes the change, which no other one can do before its commit: numbers are in the order of commits.
A cursor is opaque to its holder. A life begins with each start of a service on the store, and with the first write
after a failover: a standby that took over may lack the last changes of the database before it, so that their numbers
are given again.
"""

import secrets
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from streamusage.service.store.engines import ENGINES
from streamusage.service.store.schema import counters, lives, servers, tombstones
from streamusage.service.store.sql import upsert
from streamusage.service.store.statements import PreparedStatement

_CHANGE = counters.c.name == "change"
TOMBSTONES_FORGOTTEN = "tombstones_forgotten"
"""The counter that holds the newest change of any tombstone that was forgotten."""
_COUNTER = PreparedStatement(select(counters.c.value).where(counters.c.name == bindparam("of_name")))
_LIFE = PreparedStatement(select(lives.c.number).where(lives.c.life == bindparam("of_life")))
_LIFE_NUMBERED = PreparedStatement(select(lives.c.first_change).where(lives.c.number == bindparam("of_number")))
_TAKE_CHANGES = PreparedStatement(
    update(counters).where(_CHANGE).values(value=counters.c.value + bindparam("more")).returning(counters.c.value)
)
_NEWEST_LIFE = PreparedStatement(
    select(lives.c.life, lives.c.history, lives.c.started_at).order_by(lives.c.number.desc()).limit(1)
)
SLOTS_KEPT_FROM = "slots_kept_from"
"""The counter that holds the instant before which slots were discarded."""
SAMPLES_KEPT_FROM = "samples_kept_from"
"""The counter that holds the slot before which samples were discarded."""
TOTALS_COUNT_FROM = "totals_count_from"
"""The counter that holds the instant from which totals count every slot: `FROM_THE_BEGINNING` where they always did."""
FROM_THE_BEGINNING = 1
FIGURES_MOVED = "figures_moved"
"""The counter that is 1 after a repair moved slots: they are late since, but totals count them as they arrived."""
UPGRADE_MS = 7 * 86_400_000
"""For how long after the first start of a version with totals another process may be of an earlier one."""


class ChangeCursor(NamedTuple):
    """Everything up to `change` was seen in the life `life`; tombstones up to `deletes_from` are irrelevant to the
    holder.
    """

    life: str
    change: int
    deletes_from: int

    def __str__(self) -> str:
        return f"{self.life}.{self.change:x}.{self.deletes_from:x}"


def parse_cursor(text: str) -> ChangeCursor | None:
    """Return the cursor that `str` encoded; `None` for any other text."""
    life, *numbers = text.split(".")
    try:
        change, deletes_from = (int(number, 16) for number in numbers)
    except ValueError:
        return None
    can_be = all(0 <= number < 2**63 for number in (change, deletes_from))
    return ChangeCursor(life, change, deletes_from) if can_be else None


def last_change(connection: Connection) -> int | None:
    """Return the number of the newest change; `None` in a store that is being created."""
    rows = _COUNTER.rows(connection, of_name="change")
    return int(rows[0].value) if rows else None


def allocate_changes(connection: Connection, count: int) -> int:
    """Allocate `count` change numbers and return the one before the first of them.

    Until the commit no other write can: a write does this last.
    """
    ENGINES[connection.dialect.name].lock_change_numbers(connection)
    return int(_TAKE_CHANGES.rows(connection, more=count)[0].value) - count


def read_counter(connection: Connection, name: str) -> int:
    """Return a counter of the store; 0 if it was never set."""
    rows = _COUNTER.rows(connection, of_name=name)
    return int(rows[0].value) if rows else 0


def set_counter(connection: Connection, name: str, value: int) -> None:
    """Set a counter of the store."""
    upsert(connection, counters, [{"name": name, "value": value}])


def raise_counter(connection: Connection, name: str, value: int) -> None:
    """Set the counter if the value is above the stored one."""
    set_counter(connection, name, max(value, read_counter(connection, name)))


def forget_tombstones(connection: Connection, where: ColumnElement[bool]) -> None:
    """Delete tombstones. A cursor that has not seen all of them is invalid afterwards."""
    newest = connection.execute(select(func.max(tombstones.c.change)).where(where)).scalar()
    if newest is not None:
        raise_counter(connection, TOMBSTONES_FORGOTTEN, newest)
        connection.execute(delete(tombstones).where(where))


def begin_life(connection: Connection, now_ms: int, history: str) -> None:
    """Record that a life begins in a history of the database. Cursors name the life in which they were issued."""
    if last_change(connection) is None:
        connection.execute(insert(counters).values(name="change", value=0))
        set_counter(connection, TOTALS_COUNT_FROM, FROM_THE_BEGINNING)
    elif not read_counter(connection, TOTALS_COUNT_FROM):
        newest = connection.execute(select(func.max(servers.c.watermark))).scalar() or 0
        set_counter(connection, TOTALS_COUNT_FROM, max(now_ms, newest) + UPGRADE_MS)
    before = connection.execute(select(func.max(lives.c.number))).scalar() or 0
    connection.execute(
        insert(lives).values(
            number=before + 1,
            life=secrets.token_hex(8),
            first_change=last_change(connection) or 0,
            started_at=now_ms,
            history=history,
        )
    )


def newest_history(connection: Connection) -> str:
    """Return the history of the database in which the newest life began."""
    return str(_NEWEST_LIFE.rows(connection)[0].history)


def continue_feed(connection: Connection, history: str) -> bool:
    """Begin a life if the newest one began in another history of the database. Return whether it did not."""
    newest = _NEWEST_LIFE.rows(connection)[0]
    if newest.history == history:
        return True
    begin_life(connection, newest.started_at, history)
    return False


def newest_life(connection: Connection) -> str:
    """Return the life in which cursors are issued now."""
    return str(_NEWEST_LIFE.rows(connection)[0].life)


def knows_life(connection: Connection, life: str) -> bool:
    """Return whether a life began in this store."""
    return bool(_LIFE.rows(connection, of_life=life))


def is_valid_cursor(connection: Connection, cursor: ChangeCursor) -> bool:
    """Return whether this store issued the cursor, or is a continuation of the store that did.

    A copy that was taken during the cursor's life and restored later continued from an earlier change, in another
    life: the changes that the cursor saw after that point do not exist in it.
    """
    lives_then = _LIFE.rows(connection, of_life=cursor.life)
    if not lives_then or cursor.change > (last_change(connection) or 0):
        return False
    if max(cursor.change, cursor.deletes_from) < read_counter(connection, TOMBSTONES_FORGOTTEN):
        return False
    followed_by = _LIFE_NUMBERED.rows(connection, of_number=lives_then[0].number + 1)
    return not followed_by or cursor.change <= followed_by[0].first_change

"""Change numbers and cursors: what a console has seen of the store, and whether that still means anything.

Every change of a usage record or tombstone has a number of its own, one higher than the one before, given in the
transaction that makes the change. A cursor is opaque to its holder.
"""

import secrets
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from streamusage.service.store.schema import counters, lives, tombstones
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
_NEWEST_LIFE = PreparedStatement(select(lives.c.life).order_by(lives.c.number.desc()).limit(1))
SLOTS_KEPT_FROM = "slots_kept_from"
"""The counter that holds the instant before which slots were discarded."""
SAMPLES_KEPT_FROM = "samples_kept_from"
"""The counter that holds the slot before which samples were discarded."""


class ChangeCursor(NamedTuple):
    """Everything up to `change` was seen, in the life of that name; tombstones up to `deletes_from` do not matter."""

    life: str
    change: int
    deletes_from: int

    def __str__(self) -> str:
        return f"{self.life}.{self.change:x}.{self.deletes_from:x}"


def parse_cursor(text: str) -> ChangeCursor | None:
    """The cursor that `str` made; `None` for any other text."""
    life, *numbers = text.split(".")
    try:
        change, deletes_from = (int(number, 16) for number in numbers)
    except ValueError:
        return None
    can_be = all(0 <= number < 2**63 for number in (change, deletes_from))
    return ChangeCursor(life, change, deletes_from) if can_be else None


def last_change(connection: Connection) -> int | None:
    """The number of the newest change; `None` in a store that is just being made."""
    rows = _COUNTER.rows(connection, of_name="change")
    return int(rows[0].value) if rows else None


def allocate_changes(connection: Connection, count: int) -> int:
    """Takes `count` numbers and returns the one before the first of them."""
    return int(_TAKE_CHANGES.rows(connection, more=count)[0].value) - count


def read_counter(connection: Connection, name: str) -> int:
    """A number that the store keeps; 0 where it was never put."""
    rows = _COUNTER.rows(connection, of_name=name)
    return int(rows[0].value) if rows else 0


def set_counter(connection: Connection, name: str, value: int) -> None:
    upsert(connection, counters, [{"name": name, "value": value}])


def raise_counter(connection: Connection, name: str, value: int) -> None:
    """Puts the number where it is above the one that is kept."""
    set_counter(connection, name, max(value, read_counter(connection, name)))


def forget_tombstones(connection: Connection, where: ColumnElement[bool]) -> None:
    """Forgets deletes. A cursor that has not seen them all starts over from then on."""
    newest = connection.execute(select(func.max(tombstones.c.change)).where(where)).scalar()
    if newest is not None:
        raise_counter(connection, TOMBSTONES_FORGOTTEN, newest)
        connection.execute(delete(tombstones).where(where))


def begin_life(connection: Connection, now_ms: int) -> None:
    """Notes that a service starts on this store; cursors name the life in which they were given."""
    if last_change(connection) is None:
        connection.execute(insert(counters).values(name="change", value=0))
    before = connection.execute(select(func.max(lives.c.number))).scalar() or 0
    connection.execute(
        insert(lives).values(
            number=before + 1,
            life=secrets.token_hex(8),
            first_change=last_change(connection) or 0,
            started_at=now_ms,
        )
    )


def newest_life(connection: Connection) -> str:
    """The life that cursors are given in now."""
    return str(_NEWEST_LIFE.rows(connection)[0].life)


def is_valid_cursor(connection: Connection, cursor: ChangeCursor) -> bool:
    """Whether the store is the one that gave the cursor, or grew out of it.

    A copy that was taken during the cursor's life and put back later went on, in another life, from an earlier
    change: what the cursor saw beyond that never happened there.
    """
    lives_then = _LIFE.rows(connection, of_life=cursor.life)
    if not lives_then or cursor.change > (last_change(connection) or 0):
        return False
    if max(cursor.change, cursor.deletes_from) < read_counter(connection, TOMBSTONES_FORGOTTEN):
        return False
    followed_by = _LIFE_NUMBERED.rows(connection, of_number=lives_then[0].number + 1)
    return not followed_by or cursor.change <= followed_by[0].first_change

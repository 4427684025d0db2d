"""Types and statements that all engines support and SQLAlchemy spells differently."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Dialect, Table, Text
from sqlalchemy.types import TypeDecorator

from streamusage.service.store.engines import ENGINES
from streamusage.service.store.statements import PreparedInsert

_BATCH_SIZE = 2_000
"""Rows whose columns are in memory at once: the rows of the largest report would take hundreds of megabytes."""


class AnyText(TypeDecorator[str]):
    """Text with any character, including U+0000, sorted by code point on all engines."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return the engine's type of text."""
        return dialect.type_descriptor(ENGINES[dialect.name].text_type)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Return the engine's encoder of text."""
        return ENGINES[dialect.name].encode_text

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Return the engine's decoder of text."""
        return ENGINES[dialect.name].decode_text


def upsert(connection: Connection, table: Table, rows: Iterable[dict[str, Any]], keep: Sequence[str] = ()) -> None:
    """Write whole rows, a batch at a time. A row whose primary key exists is replaced, except for the columns in
    `keep`.
    """
    rest = iter(rows)
    while batch := list(islice(rest, _BATCH_SIZE)):
        _upsert(connection.dialect.name, table, tuple(batch[0]), tuple(keep)).run(connection, batch)


@cache
def _upsert(engine_name: str, table: Table, columns: tuple[str, ...], keep: tuple[str, ...]) -> PreparedInsert:
    engine = ENGINES[engine_name]
    statement: Any = engine.insert(table)
    key = [column.name for column in table.primary_key.columns]
    replaced = {name: statement.excluded[name] for name in columns if name not in key and name not in keep}
    written = (
        statement.on_conflict_do_update(index_elements=key, set_=replaced)
        if replaced
        else statement.on_conflict_do_nothing(index_elements=key)
    )
    return PreparedInsert(written, columns, engine.direct_driver)


def add_to(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Add the numbers of each row to those of the stored row of the same key; without one, write it."""
    _addition(connection.dialect.name, table).run(connection, rows)


@cache
def _addition(engine_name: str, table: Table) -> PreparedInsert:
    engine = ENGINES[engine_name]
    statement: Any = engine.insert(table)
    key = [column.name for column in table.primary_key.columns]
    added = {column.name: column + statement.excluded[column.name] for column in table.c if column.name not in key}
    written = statement.on_conflict_do_update(index_elements=key, set_=added)
    return PreparedInsert(written, tuple(table.c.keys()), engine.direct_driver)

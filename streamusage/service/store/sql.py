"""The statements that SQLite and PostgreSQL both support and SQLAlchemy spells differently."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeDecorator

from streamusage.service.store.statements import PreparedInsert

_ESCAPED = re.compile("\1[0\1]")


class AnyText(TypeDecorator[str]):
    """Text with any character, including U+0000, which PostgreSQL cannot store: there it is encoded as U+0001 `0`,
    and U+0001 itself twice. Sorted by code point on both engines.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return TEXT, on PostgreSQL sorted by code point."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TEXT(collation="C"))
        return dialect.type_descriptor(Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Return the encoder of U+0000 for PostgreSQL."""
        return without_nul if dialect.name == "postgresql" else None

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Return the decoder of U+0000 for PostgreSQL."""
        return with_nul if dialect.name == "postgresql" else None


def without_nul(text: str | None) -> str | None:
    """Return the text in a form that PostgreSQL can store."""
    if text is None or ("\0" not in text and "\1" not in text):
        return text
    return text.replace("\1", "\1\1").replace("\0", "\x010")


def with_nul(text: str | None) -> str | None:
    """Return the text that `without_nul` encoded."""
    if text is None or "\1" not in text:
        return text
    return _ESCAPED.sub(lambda found: "\0" if found[0] == "\x010" else "\1", text)


def upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]], keep: Sequence[str] = ()) -> None:
    """Write whole rows. A row whose primary key exists is replaced, except for the columns in `keep`."""
    if rows:
        _upsert(connection.dialect.name, table, tuple(rows[0]), tuple(keep)).run(connection, rows)


@cache
def _upsert(dialect: str, table: Table, columns: tuple[str, ...], keep: tuple[str, ...]) -> PreparedInsert:
    statement: Any = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    key = [column.name for column in table.primary_key.columns]
    replaced = {name: statement.excluded[name] for name in columns if name not in key and name not in keep}
    return PreparedInsert(statement.on_conflict_do_update(index_elements=key, set_=replaced), columns, dialect)

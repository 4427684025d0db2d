"""Prepared statements of the store."""

from pathlib import Path

import pytest
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import DBAPIError

from streamusage.service.store.engines import apsw_dbapi
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import counters
from streamusage.service.store.sql import upsert
from streamusage.service.store.statements import PreparedStatement
from streamusage.service.store.store import open_store


def test_prepared_statement_raises_the_same_errors(tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path / "usage.db"), 0)
    value = PreparedStatement(
        select(counters).where(counters.c.name.in_(bindparam("names", expanding=True))), listed="names"
    )
    put = PreparedStatement(update(counters).values(value=bindparam("to")).where(counters.c.name == "a"))
    with store.writing() as connection, connection.begin():
        upsert(connection, counters, [{"name": "a", "value": 7}, {"name": "b", "value": 2}])
        assert put.run(connection, to=1) == 1
        assert {row.name: row.value for row in value.rows(connection, names=["a", "b", "c"])} == {"a": 1, "b": 2}
        with pytest.raises(DBAPIError) as raised:
            put.run(connection, to=None)
        assert isinstance(raised.value.orig, apsw_dbapi.IntegrityError)
    with store.reading() as connection:
        assert [row.value for row in value.rows(connection, names=["b"])] == [2]
    store.close()

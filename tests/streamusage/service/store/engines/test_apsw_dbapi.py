"""apsw as a driver: what Python's sqlite3 answers to the same calls, and what SQLAlchemy needs."""

import sqlite3
from pathlib import Path
from typing import Any

import apsw
import pytest
from sqlalchemy import create_engine, text

from streamusage.service.store.engines import apsw_dbapi
from streamusage.service.store.engines.sqlite import connect_to_file

SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER CHECK (size < 10))"


def connections() -> tuple[apsw_dbapi.ApswConnection, sqlite3.Connection]:
    """Return a connection of each driver with the same table."""
    own, standard = apsw_dbapi.connect(":memory:"), sqlite3.connect(":memory:", isolation_level=None)
    for connection in (own, standard):
        connection.execute(SCHEMA)
        connection.execute("INSERT INTO t (name, size) VALUES ('a', 1)")
    return own, standard


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("SELECT id, name AS called FROM t", ()),
        ("SELECT id, name AS called FROM t WHERE 0", ()),
        ("SELECT count(*), NULL, 1.5, x'00ff', 'é' FROM t WHERE name = ?", ("a",)),
        ("INSERT INTO t (name) VALUES ('b'), ('c')", ()),
        ("INSERT INTO t (name) VALUES ('b') RETURNING id, name", ()),
        ("UPDATE t SET size = 2", ()),
        ("UPDATE t SET size = 2 WHERE 0", ()),
        ("DELETE FROM t", ()),
        ("PRAGMA user_version", ()),
        ("SAVEPOINT s", ()),
    ],
)
def test_results_are_those_of_sqlite3(statement: str, parameters: tuple[Any, ...]) -> None:
    own, standard = (connection.cursor().execute(statement, parameters) for connection in connections())
    columns = standard.description and [name for name, *_ in standard.description]
    assert (own.description and [name for name, *_ in own.description]) == columns
    assert own.fetchall() == standard.fetchall()
    if statement.startswith(("INSERT", "UPDATE", "DELETE", "SELECT")):
        assert own.rowcount == standard.rowcount


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("SELECT * FROM missing", ()),
        ("SELEC", ()),
        ("INSERT INTO t (name) VALUES (NULL)", ()),
        ("INSERT INTO t (name) VALUES ('a')", ()),
        ("INSERT INTO t (name, size) VALUES ('b', 10)", ()),
        ("INSERT INTO t (id, name) VALUES ('no number', 'b')", ()),
        ("INSERT INTO t (name) VALUES (?)", (2**70,)),
        ("SELECT zeroblob(2000000000)", ()),
        ("COMMIT", ()),
    ],
)
def test_failures_are_those_of_sqlite3(statement: str, parameters: tuple[Any, ...]) -> None:
    own, standard = connections()
    with pytest.raises((sqlite3.Error, OverflowError)) as expected:
        standard.execute(statement, parameters)
    for run in (own.execute, own.cursor().execute):
        with pytest.raises((apsw_dbapi.Error, OverflowError)) as raised:
            run(statement, parameters)
        assert raised.type.__name__ == expected.type.__name__
        if raised.type is not OverflowError:
            assert str(raised.value) == str(expected.value)
            assert raised.value.sqlite_errorcode == expected.value.sqlite_errorcode


@pytest.mark.parametrize("parameters", [(), ("a", "b"), (object(),)], ids=["too few", "too many", "no value of SQLite"])
def test_wrong_parameters_are_errors_of_the_driver(parameters: tuple[Any, ...]) -> None:
    own, _ = connections()
    with pytest.raises((apsw_dbapi.ProgrammingError, apsw_dbapi.InterfaceError)):
        own.execute("SELECT * FROM t WHERE name = ?", parameters)
    with pytest.raises((apsw_dbapi.ProgrammingError, apsw_dbapi.InterfaceError)):
        own.executemany("INSERT INTO t (name) VALUES (?)", [parameters])


def test_rows_are_fetched_one_by_one_in_groups_and_all() -> None:
    own, _ = connections()
    written = own.executemany("INSERT INTO t (name) VALUES (?)", [(str(number),) for number in range(9)])
    assert written.rowcount == 9
    cursor = own.cursor()
    cursor.execute("SELECT id FROM t ORDER BY id")
    assert cursor.fetchone() == (1,)
    assert cursor.fetchmany(2) == [(2,), (3,)]
    assert cursor.fetchmany() == [(4,)]
    assert next(iter(cursor)) == (5,)
    assert cursor.fetchall() == [(6,), (7,), (8,), (9,), (10,)]
    assert (cursor.fetchone(), cursor.fetchmany(3), cursor.fetchall()) == (None, [], [])


def test_transaction_is_open_from_begin_to_commit_or_rollback(tmp_path: Path) -> None:
    own = apsw_dbapi.connect(str(tmp_path / "t.db"))
    own.execute(SCHEMA)
    own.commit()
    own.rollback()
    own.execute("BEGIN")
    own.execute("INSERT INTO t (name) VALUES ('a')")
    own.rollback()
    own.execute("BEGIN")
    own.execute("INSERT INTO t (name) VALUES ('b')")
    own.commit()
    own.close()
    with pytest.raises(apsw_dbapi.ProgrammingError, match=r"Cannot operate on a closed database\."):
        own.execute("SELECT 1")
    assert connect_to_file(tmp_path / "t.db").execute("SELECT name FROM t").fetchall() == [("b",)]


def test_text_that_is_not_utf_8_is_an_error_of_the_driver() -> None:
    own, _ = connections()
    statement = "SELECT CAST(x'ff' AS TEXT) FROM t"
    for fetch in (lambda cursor: cursor.fetchall(), lambda cursor: cursor.fetchone(), list):
        with pytest.raises(apsw_dbapi.OperationalError, match="not UTF-8"):
            fetch(own.execute(statement))


def test_file_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(apsw_dbapi.OperationalError, match="unable to open database file") as raised:
        connect_to_file(tmp_path / "missing.db")
    assert raised.value.sqlite_errorcode == apsw.SQLITE_CANTOPEN
    assert list(tmp_path.iterdir()) == []


def test_sqlalchemy_reads_empty_results_counts_and_keys() -> None:
    engine = create_engine("sqlite://", module=apsw_dbapi, creator=lambda: apsw_dbapi.connect(":memory:"))
    with engine.connect() as connection:
        connection.execute(text(SCHEMA))
        inserted = connection.execute(text("INSERT INTO t (name) VALUES (:name)"), {"name": "a"})
        assert inserted.lastrowid == 1
        assert connection.execute(text("SELECT id, name FROM t WHERE 0")).mappings().all() == []
        assert connection.execute(text("UPDATE t SET size = 1")).rowcount == 1
        assert connection.execute(text("SELECT name REGEXP '^a', floor(2.5) FROM t")).all() == [(1, 2)]

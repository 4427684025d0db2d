"""Cursors of the change feed."""

from pathlib import Path

from streamusage.service.store.change_feed import (
    TOMBSTONES_FORGOTTEN,
    ChangeCursor,
    allocate_changes,
    is_valid_cursor,
    newest_life,
    raise_counter,
)
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import NOW


def test_console_that_began_after_forgotten_deletes_continues_page_by_page(tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path / "usage.db"), NOW)
    with store.writing() as connection, connection.begin():
        allocate_changes(connection, 10)
        raise_counter(connection, TOMBSTONES_FORGOTTEN, 5)
        life = newest_life(connection)
        began_since, began_before, read_since = (
            ChangeCursor(life, 2, 7),
            ChangeCursor(life, 2, 0),
            ChangeCursor(life, 5, 0),
        )
        assert [is_valid_cursor(connection, cursor) for cursor in (began_since, began_before, read_since)] == [
            True,
            False,
            True,
        ]
    store.close()

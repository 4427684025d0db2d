"""Migrations of stores with rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, insert, inspect, select

from streamusage.service.store.engines import resolve
from streamusage.service.store.schema import samples, stream_key
from streamusage.service.store.store import MIGRATIONS, open_store

BEFORE = "0012_source_errors"


@contextmanager
def writing_at(url: str, revision: str) -> Iterator[Connection]:
    """Create a store with the tables of a revision and yield a connection to it in a transaction."""
    engine, checked_url = resolve(url)
    engine.create(checked_url)
    writer = engine.writer(checked_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    try:
        with engine.migration_transaction(writer) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            yield connection
    finally:
        writer.dispose()


def test_samples_are_kept_in_the_order_of_their_streams(store_url: str) -> None:
    rows: list[dict[str, Any]] = [
        {"server": server, "stream": stream_key("live", name), "slot": slot * 60_000, "epoch": 2, "revision": slot,
         "active": slot + len(name), "highest": slot + 9, "late": slot % 2}
        for slot in (3, 1, 2)
        for name in ("a", "bb", "ccc")
        for server in ("edge-2", "edge-1")
    ]  # fmt: skip
    with writing_at(store_url, BEFORE) as connection:
        connection.execute(insert(samples), rows)
        assert inspect(connection).get_pk_constraint("samples")["constrained_columns"] == ["server", "slot", "stream"]
        assert [index["name"] for index in inspect(connection).get_indexes("samples")] == ["samples_by_stream"]
    store = open_store(store_url, 0)
    try:
        with store.reading() as connection:
            inspector = inspect(connection)
            assert inspector.get_pk_constraint("samples")["constrained_columns"] == ["server", "stream", "slot"]
            assert inspector.get_indexes("samples") == []
            assert "samples_before" not in inspector.get_table_names()
            found = [
                {name: bytes(value) if name == "stream" else value for name, value in row._asdict().items()}
                for row in connection.execute(select(samples))
            ]
    finally:
        store.close()

    def by_key(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["server"], row["stream"], row["slot"]

    assert sorted(found, key=by_key) == sorted(rows, key=by_key)

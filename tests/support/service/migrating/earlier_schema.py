"""Stores with the tables of an earlier revision."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from streamusage.service.store.engines import resolve
from streamusage.service.store.migrations.running import MIGRATIONS


@contextmanager
def writing_at(url: str, revision: str) -> Iterator[Connection]:
    """Create a store with the tables of a revision and yield a connection to it in a transaction."""
    engine, checked_url = resolve(url)
    engine.create(checked_url)
    writer = engine.writer(checked_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("recursive_version_locations", "true")
    config.set_main_option("path_separator", "os")
    try:
        with engine.migration_transaction(writer) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            yield connection
    finally:
        writer.dispose()

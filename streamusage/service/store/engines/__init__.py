"""The database engines of the store: one class each behind `protocol.StoreEngine`, and their registry."""

from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from streamusage.service.errors import StoreError
from streamusage.service.store.engines.postgresql import PostgresqlEngine
from streamusage.service.store.engines.protocol import StoreEngine
from streamusage.service.store.engines.sqlite import SqliteEngine

_ALL: tuple[StoreEngine, ...] = (
    SqliteEngine(),
    PostgresqlEngine(),
)
ENGINES = {engine.name: engine for engine in _ALL}
"""Engines by the name of their dialect."""

TABLE_OPTIONS: dict[str, Any] = {name: value for engine in _ALL for name, value in engine.table_options.items()}
"""Options of all engines for the tables that are looked up by their whole primary key."""


def find_engine(url: str) -> StoreEngine:
    """Return the engine of a store's URL. Raises `StoreError`."""
    try:
        name = make_url(url).get_backend_name()
    except (ArgumentError, ValueError):
        examples = " or ".join(engine.url_example for engine in _ALL)
        raise StoreError(f"the store must be a URL such as {examples}") from None
    if name not in ENGINES:
        raise StoreError(f"unknown kind of store {name!r}; use {' or '.join(engine.url_form for engine in _ALL)}")
    return ENGINES[name]

"""The database engines of the store: one class each behind `protocol.StoreEngine`, and their registry."""

import re
from typing import Any

from sqlalchemy.engine import URL, make_url
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


_HOSTS = re.compile(r"(?P<start>[a-z0-9+]+://(?:[^/?@]*@)?)(?P<hosts>[^/?@]*,[^/?@]*)(?P<rest>.*)", re.DOTALL)
"""A URL of libpq that names several hosts."""


_BEFORE_HOST = re.compile(r"[a-z0-9]+://(?:[^/@]*@)?")


def parse_store_url(url: str) -> URL:
    """Return the URL of a store. Several hosts may be written as libpq reads them: `HOST:PORT,HOST:PORT`.

    Raises `ArgumentError` or `ValueError`.
    """
    several = _HOSTS.fullmatch(url)
    if several is None:
        return make_url(url)
    parsed = make_url(several["start"] + several["rest"])
    return parsed.update_query_dict({"host": tuple(several["hosts"].split(","))})


def display_url(url: URL) -> str:
    """Return the URL of a store as an operator writes it, without the password."""
    text = url.set(drivername=url.get_backend_name()).difference_update_query(["host"]).render_as_string()
    hosts = url.query.get("host", ())
    listed = hosts if isinstance(hosts, str) else ",".join(hosts)
    return _BEFORE_HOST.sub(lambda found: found[0] + listed, text, count=1)


def find_engine(url: str) -> StoreEngine:
    """Return the engine of a store's URL. Raises `StoreError`."""
    try:
        name = parse_store_url(url).get_backend_name()
    except (ArgumentError, ValueError):
        examples = " or ".join(engine.url_example for engine in _ALL)
        raise StoreError(f"the store must be a URL such as {examples}") from None
    if name not in ENGINES:
        raise StoreError(f"unknown kind of store {name!r}; use {' or '.join(engine.url_form for engine in _ALL)}")
    return ENGINES[name]


def resolve(url: str) -> tuple[StoreEngine, URL]:
    """Return the engine of a store, and the URL with which it connects. Raises `StoreError`."""
    engine = find_engine(url)
    return engine, engine.check_url(parse_store_url(url))

"""PostgreSQL servers whose commits are on a disk: one alone, or a primary with two standbys and quorum commit."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple

from tests.support.postgresql import PASSWORD
from tests.support.postgresql_nodes import NODES, QUORUM, DatabaseNode, database_nodes
from tests.support.waiting import wait_until_blocking


class DurableServer:
    """A primary on which databases are created. Their URLs contain no password: it is in the environment."""

    def __init__(self, name: str, primary: DatabaseNode) -> None:
        self.name = name
        self._primary = primary
        self._numbers = count(1)

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of an empty database, which is removed after the block."""
        name = f"bench_{next(self._numbers)}"
        with self._primary.connected() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield self._primary.url(name)
        finally:
            with self._primary.connected() as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


class ServerKind(NamedTuple):
    """A number of servers, with the standbys for which commits wait."""

    name: str
    servers: int
    standbys: str


ALONE = ServerKind("one server", 1, "")
QUORUM_OF_THREE = ServerKind("three servers, quorum commit", NODES, QUORUM)
KINDS = {"alone": ALONE, "quorum": QUORUM_OF_THREE}
"""Kinds of servers, by their names in options."""


@contextmanager
def durable_server(kind: ServerKind, *, has_fsync: bool = True) -> Iterator[DurableServer]:
    """Run servers of a kind for the block, with `synchronous_commit = on`, and with fsync unless it is switched off."""
    os.environ["PGPASSWORD"] = PASSWORD
    with database_nodes(kind.standbys, has_fsync=has_fsync, how_many=kind.servers) as nodes:
        primary = nodes.primary
        streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        with primary.connected() as connection:
            wait_until_blocking(
                lambda: connection.execute(streaming).fetchone() == (kind.servers - 1,), "the standbys receive changes"
            )
        yield DurableServer(kind.name, primary)


def describe_machine() -> str:
    """Return how many cores there are, and how busy they are, for the figures of a run."""
    return f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} before the run"

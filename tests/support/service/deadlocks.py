"""Deadlocks with the service's writes on PostgreSQL, provoked by a connection that locks rows in the opposite order."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import psycopg
from psycopg.errors import DeadlockDetected


@contextmanager
def quick_deadlocks(url: str, timeout_ms: int) -> Iterator["psycopg.Connection[Any]"]:
    """Let connections to a database that are made in the block wait so long for a lock before they look for a deadlock,
    once. The default is a second. Yield a connection that commits each statement.
    """
    name = url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET deadlock_timeout = {timeout_ms}".encode())
        try:
            yield connection
        finally:
            connection.execute(f"ALTER DATABASE {name} RESET deadlock_timeout".encode())


WRITER_TIMEOUT_MS = 100
"""The timeout with which the service's connections detect a part of the provoked deadlocks."""


class DeadlockProvoker:
    """Locks a record that is being written, and then the rows of all servers in the opposite order, some times."""

    def __init__(self, url: str, times: int) -> None:
        self._url = url
        self._times = times
        self._random = Random("deadlocks")
        self.deadlocks = 0
        """Those that ended this connection's transaction. Others ended a write."""

    def run(self, over: threading.Event) -> None:
        with psycopg.connect(self._url) as connection:
            while self._times and not over.wait(self._random.uniform(0.1, 0.4)):
                try:
                    self._times -= self._lock_rows(connection)
                except DeadlockDetected:
                    self._times -= 1
                    self.deadlocks += 1
                connection.rollback()

    def _lock_rows(self, connection: "psycopg.Connection[Any]") -> bool:
        """Lock the rows, and return whether there are any."""
        # With the longer timeout, the deadlock is detected by the service's connection, whose write fails.
        timeout = self._random.choice(("5ms", "2s"))
        connection.execute(f"SET LOCAL deadlock_timeout = '{timeout}'".encode())
        newest = "SELECT start_time FROM usage ORDER BY change DESC LIMIT 1 OFFSET %s FOR UPDATE"
        record = connection.execute(newest, (self._random.randrange(5),)).fetchone()
        time.sleep(WRITER_TIMEOUT_MS / 4_000)
        connection.execute("SELECT server FROM servers ORDER BY server DESC FOR UPDATE")
        return record is not None

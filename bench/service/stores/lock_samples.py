"""What open transactions of the service wait for, from samples of `pg_stat_activity`."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg

from streamusage.service.store.engines.postgresql import APPLICATION_NAME

SAMPLE_SECONDS = 0.01
_SAMPLE = f"""
    SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*) FILTER (WHERE wait_event = 'SyncRep'),
        count(*) FILTER (WHERE state LIKE 'idle in transaction%')
    FROM pg_stat_activity
    WHERE application_name = '{APPLICATION_NAME}' AND datname = current_database() AND xact_start IS NOT NULL
"""


class WaitShares(NamedTuple):
    """Shares of the time in which transactions were open, summed over connections."""

    lock: float
    """A lock of another transaction was waited for."""
    standby: float
    """A commit waited for a standby."""
    client: float
    """The server waited for the next statement."""


class WaitSampler:
    """Counts samples until it is stopped."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self._counts = [0, 0, 0, 0]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take samples in a thread during the block."""
        thread = threading.Thread(target=self._run, name="samples of waits")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def shares(self) -> WaitShares:
        """Return the shares of all samples."""
        samples, *waits = self._counts
        return WaitShares(*(count / max(1, samples) for count in waits))

    def _run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._over.wait(SAMPLE_SECONDS):
                found = connection.execute(_SAMPLE.encode()).fetchone()
                assert found is not None
                self._counts = [before + more for before, more in zip(self._counts, found, strict=True)]

"""What a write locks before it reads: servers and streams, or the whole store.

A write holds the lock of each server whose rows it reads or writes, and of each stream whose sessions it does. Every
write requests its locks in the same order, all servers first, and holds them until the commit. What it reads of these
servers and streams in between stays unchanged.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection

LOCKS = "streamtop_locks"
"""The execution option of a connection with the locks of its next transaction; without it, the whole store's."""


class LockSet(NamedTuple):
    """The locks of a write. Two writes without a common lock may run at the same time, in different processes."""

    servers: frozenset[str] = frozenset()
    streams: frozenset[bytes] = frozenset()
    """Digests of streams (`schema.stream_key`)."""
    is_whole_store: bool = False
    """No other write of any process runs meanwhile."""

    @property
    def size(self) -> int:
        """The number of locks."""
        return len(self.servers) + len(self.streams)


WHOLE_STORE = LockSet(is_whole_store=True)
"""For writes that touch rows of any servers and streams: those of operators, closings, sums and retention."""


def join_locks(sets: Iterable[LockSet]) -> LockSet:
    """Return all of these locks."""
    listed = list(sets)
    return LockSet(
        frozenset().union(*(locks.servers for locks in listed)),
        frozenset().union(*(locks.streams for locks in listed)),
        any(locks.is_whole_store for locks in listed),
    )


class NeedsWholeStoreError(Exception):
    """A write needs a lock that it must not wait for, or more locks than there are: it is run again, with the whole
    store.
    """


def locks_of(connection: Connection) -> LockSet:
    """Return the locks with which a transaction of this connection begins."""
    locks: LockSet = connection.get_execution_options().get(LOCKS, WHOLE_STORE)
    return locks

"""What the writes of one transaction share: the locks that it holds, and work that is done once at its end.

A connection without a group, as in a transaction of its own, has the whole store, and does such work at once.
"""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from sqlalchemy import Connection

from streamusage.service.store.engines import ENGINES
from streamusage.service.store.engines.locks import LockSet, NeedsWholeStoreError, join_locks

Item = TypeVar("Item")

_GROUP = "streamtop_group"


class WriteGroup:
    """The writes of one transaction. For the writer's thread only."""

    def __init__(self, locks: LockSet) -> None:
        self._locks = locks
        self._at_end: dict[Callable[[Connection, list[Any]], None], list[Any]] = {}

    def attach(self, connection: Connection) -> None:
        """Make this the group of the connection's next transaction."""
        connection.execution_options(**{_GROUP: self})

    def lock(self, connection: Connection, more: LockSet) -> None:
        """Lock more servers and streams. Raises `NeedsWholeStoreError` if another write has one of them."""
        if self._locks.is_whole_store:
            return
        missing = LockSet(more.servers - self._locks.servers, more.streams - self._locks.streams)
        if missing.size:
            if not ENGINES[connection.dialect.name].try_lock(connection, missing):
                raise NeedsWholeStoreError
            self._locks = join_locks((self._locks, missing))

    def add(self, work: Callable[[Connection, list[Item]], None], item: Item) -> None:
        """Add an item to the work of the end."""
        self._at_end.setdefault(work, []).append(item)

    def finish(self, connection: Connection) -> None:
        """Do the work of the end, as far as it is added by now."""
        while self._at_end:
            work = next(iter(self._at_end))
            work(connection, self._at_end.pop(work))


def lock_server(connection: Connection, server: str) -> None:
    """Hold the lock of a server until the commit. Call it before its rows are read, to write them."""
    group = _group_of(connection)
    if group is not None:
        group.lock(connection, LockSet(servers=frozenset((server,))))


def lock_streams(connection: Connection, streams: Collection[bytes]) -> None:
    """Hold the locks of streams until the commit. Call it before their sessions are read, to write them."""
    group = _group_of(connection)
    if group is not None:
        group.lock(connection, LockSet(streams=frozenset(streams)))


def do_at_end(connection: Connection, work: Callable[[Connection, list[Item]], None], item: Item) -> None:
    """Let `work` run once at the end of the transaction, with the items of all its writes."""
    group = _group_of(connection)
    if group is None:
        work(connection, [item])
    else:
        group.add(work, item)


def finish_writes(connection: Connection) -> None:
    """Do now what earlier writes of the transaction left for its end."""
    group = _group_of(connection)
    if group is not None:
        group.finish(connection)


def _group_of(connection: Connection) -> WriteGroup | None:
    group: WriteGroup | None = connection.get_execution_options().get(_GROUP)
    return group

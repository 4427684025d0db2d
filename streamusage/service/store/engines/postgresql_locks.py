"""Locks of writes in PostgreSQL: advisory locks, because a server or a stream may have no row yet.

Every write shares the lock of the whole store, or holds it alone: then no other write of any process runs. The others
lock their servers and streams, sorted, in one statement. The last lock is that of change numbers: with it a write only
numbers its changes and commits, so that numbers are committed in their order and a cursor skips none. A commit that
waits for a synchronous standby keeps its locks.

Processes of releases before this one lock the row that numbers changes instead, from the start of each write. That row
is locked, too: shared by writes that share the store, so that both kinds of processes can write in turn.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from streamusage.service.store.engines.locks import LockSet, NeedsWholeStoreError

_STORE = 0x73747265616D7470
_CHANGES = 0x73747265616D7471
_SHARE_STORE = f"SELECT pg_advisory_xact_lock_shared({_STORE})"
_LOCK_STORE = f"SELECT pg_advisory_xact_lock({_STORE})"
_LOCK_CHANGES = f"SELECT pg_advisory_xact_lock({_CHANGES})"
_LOCK_ALL = "SELECT count(pg_advisory_xact_lock(key)) FROM unnest(%s::bigint[]) AS key"
_TRY_ALL = "SELECT coalesce(bool_and(pg_try_advisory_xact_lock(key)), true) FROM unnest(%s::bigint[]) AS key"

_SERIALIZATION_FAILURES = ("40001", "40P01")
"""SQLSTATEs of transactions that succeed when they are run again: a conflict, and a deadlock."""
_TOO_MANY_LOCKS = "53200"
"""SQLSTATE of a server without memory for more locks."""


def share_store(connection: Connection) -> None:
    """Wait until no write has the whole store."""
    connection.exec_driver_sql(_SHARE_STORE)


def lock_store(connection: Connection) -> None:
    """Wait until no other write runs."""
    connection.exec_driver_sql(_LOCK_STORE)


def lock_all(connection: Connection, locks: LockSet) -> None:
    """Wait for the locks of servers and streams. Raises `NeedsWholeStoreError` if the database has no room for them."""
    keys = _keys(locks)
    if not keys:
        return
    try:
        connection.exec_driver_sql(_LOCK_ALL, (keys,))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _TOO_MANY_LOCKS:
            raise NeedsWholeStoreError from None
        raise


def try_lock_all(connection: Connection, locks: LockSet) -> bool:
    """Return whether more locks were free, so that the transaction has them now. It never waits: no deadlock."""
    return bool(connection.exec_driver_sql(_TRY_ALL, (_keys(locks),)).scalar())


def lock_change_numbers(connection: Connection) -> None:
    """Wait until no other write has numbered changes that it has not committed."""
    connection.exec_driver_sql(_LOCK_CHANGES)


def is_conflict(error: BaseException | None) -> bool:
    """Return whether a transaction failed because of another one, and may succeed when it is run again."""
    return getattr(error, "sqlstate", None) in _SERIALIZATION_FAILURES


def _keys(locks: LockSet) -> list[int]:
    """Return the keys of the locks in the order in which every write takes them."""
    return [*_sorted(map(str.encode, locks.servers), b"server"), *_sorted(locks.streams, b"stream")]


def _sorted(names: Iterable[bytes], kind: bytes) -> list[Any]:
    digests = (blake2b(name, digest_size=8, person=kind).digest() for name in names)
    return sorted(int.from_bytes(digest, signed=True) for digest in digests)

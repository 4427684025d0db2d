"""What connections to PostgreSQL show of a failover: the history of the database, and commits that may be lost."""

import os
import socket
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from psycopg import Connection as Session
from psycopg import Error, InterfaceError, OperationalError
from psycopg.errors import Diagnostic
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from streamusage.service.store.engines.postgresql_history import (
    TIMELINE,
    DatabaseHistory,
    cluster_of_session,
    is_of_former_primary,
)
from streamusage.service.store.engines.postgresql_locks import lock_store, share_store

_SETTINGS = "SELECT current_setting('synchronous_standby_names'), current_setting('synchronous_commit')"
_LASTING_COMMITS = ("on", "remote_apply")
"""Values of `synchronous_commit` with which a commit is on the disks of the synchronous standbys."""
_READ_ONLY = "25006"
"""SQLSTATE of a write to a database that has become read-only since the connection was made."""
_NOT_SERVING = ("57P01", "57P02", "57P03", _READ_ONLY)
"""SQLSTATEs of a server that stops, starts, or is no longer the primary."""

_SESSIONS: WeakKeyDictionary[Engine, "WeakSet[Session[Any]]"] = WeakKeyDictionary()
"""The connections of each engine to servers, as far as they exist."""

# Keys of `Connection.info`, which is kept with the connection to the server.
_CLUSTER_ID = "streamtop cluster"
_HISTORY = "streamtop history"
_WARNINGS = "streamtop warnings"


def observe_failovers(engine: Engine) -> None:
    """Note the cluster of every connection of the engine, and the warnings that it receives."""

    @event.listens_for(engine, "connect")
    def note(session: "Session[Any]", entry: ConnectionPoolEntry) -> None:
        warnings: list[str] = []
        entry.info[_WARNINGS] = warnings
        entry.info[_CLUSTER_ID] = cluster_of_session(session)

        def add(diagnostic: Diagnostic) -> None:
            if diagnostic.severity_nonlocalized == "WARNING":
                warnings.append(diagnostic.message_primary or "")

        session.add_notice_handler(add)

    @event.listens_for(engine, "handle_error")
    def leave_former_primary(context: ExceptionContext) -> None:
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
            context.is_disconnect = True  # else its connection would be used again


def keep_sessions(engine: Engine) -> None:
    """Keep track of the engine's connections to servers, for `break_former_sessions`."""
    sessions: WeakSet[Session[Any]] = WeakSet()
    _SESSIONS[engine] = sessions
    event.listen(engine, "connect", lambda session, _entry: sessions.add(session))


def break_former_sessions(engine: Engine) -> int:
    """Shut down the sockets of the engine's connections to former primaries: what waits for an answer ends with an
    error. Return how many there were.

    A server that hangs, and is no longer the primary, would otherwise be waited for as long as its machine answers.
    """
    broken = 0
    for session in list(_SESSIONS[engine]):
        if is_of_former_primary(session):
            with suppress(OSError, Error), socket.socket(fileno=os.dup(session.fileno())) as connected:
                connected.shutdown(socket.SHUT_RDWR)
                broken += 1
    return broken


def begin_write(connection: Connection, *, is_whole_store: bool) -> None:
    """Share the lock of the whole store, or take it alone, and note the history that the database continues."""
    info = connection.info
    cluster = info[_CLUSTER_ID]
    of_timeline = f"SELECT {TIMELINE if cluster else '0'}"
    (lock_store if is_whole_store else share_store)(connection)
    mode = "UPDATE" if is_whole_store else "KEY SHARE"  # for processes of earlier releases, see `postgresql_locks`
    locked = connection.exec_driver_sql(f"{of_timeline} FROM counters WHERE name = 'change' FOR {mode}").scalar()
    # A store that is being created has no row to lock.
    timeline = connection.exec_driver_sql(of_timeline).scalar() if locked is None else locked
    info[_HISTORY] = str(DatabaseHistory(cluster, int(timeline or 0)))
    info[_WARNINGS].clear()


def history_of(connection: Connection) -> str:
    """Return the history that `begin_write` noted; empty if the user may not see the cluster."""
    return str(connection.info[_HISTORY])


def take_commit_warning(connection: Connection) -> str:
    """Return the warnings of the last commit: it succeeded, and waited in vain for its synchronous standby."""
    warnings = connection.info[_WARNINGS]
    taken = "; ".join(warnings)
    warnings.clear()
    return taken


def loss_warnings(connection: Connection) -> list[str]:
    """Return in which ways the settings of the database allow that committed changes are lost."""
    standbys, commit = connection.exec_driver_sql(_SETTINGS).one()
    warnings = []
    if not standbys:
        warnings.append(
            "the database has no synchronous standby (synchronous_standby_names is empty): a standby that takes over "
            "may lack the last changes; agents report theirs again, but deletes and imports are lost"
        )
    if commit not in _LASTING_COMMITS:
        warnings.append(
            f"synchronous_commit is {commit}: the database may lose the last changes when its machine fails; set it "
            "to on for the service's user"
        )
    if not connection.info[_CLUSTER_ID]:
        warnings.append(
            "the user of the store may not execute pg_control_system(): a failover that loses changes is not noticed, "
            "and consoles may keep outdated rows; grant it, or restart the service after each failover"
        )
    return warnings


def is_unreachable(error: BaseException | None) -> bool:
    """Return whether an error means that no server was reached which accepts the work."""
    if not isinstance(error, Error):
        return False
    state = error.sqlstate
    if state is None:
        return isinstance(error, OperationalError | InterfaceError)
    return state.startswith("08") or state in _NOT_SERVING

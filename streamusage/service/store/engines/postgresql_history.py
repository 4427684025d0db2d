"""The history that a PostgreSQL database continues, and connections that never reach a former primary.

A server that was replaced while it was cut off or hung accepts connections and writes as before when it is back: its
readers see an old state, and what it commits is lost. Therefore a process that has once reached the server that took
over refuses the former one.
"""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, cast
from weakref import WeakKeyDictionary

from psycopg import Connection as Session
from psycopg import Error, OperationalError
from sqlalchemy import Dialect, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

TIMELINE = "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
"""SQL of a primary's timeline. A promotion changes the name of the current WAL file at once; `pg_control_checkpoint`
shows the new timeline only after the next checkpoint.
"""
_HISTORY = (
    f"SELECT system_identifier::text, CASE WHEN pg_is_in_recovery() THEN 0 ELSE {TIMELINE} END FROM pg_control_system()"
)

_newest_timelines: dict[str, int] = {}
"""The newest timeline of each cluster that this process has reached."""
_histories: WeakKeyDictionary["Session[Any]", "DatabaseHistory"] = WeakKeyDictionary()
"""What each connection reached when it was made."""
_lock = threading.Lock()
"""Held while these are read and written: connections are made in any thread."""


class DatabaseHistory(NamedTuple):
    """What a database continues: the identifier of its cluster, and the number of promotions since its creation + 1.

    Its text is empty where the user may not see the cluster.
    """

    cluster: str
    timeline: int
    """0 on a standby."""

    def __str__(self) -> str:
        return f"{self.cluster}/{self.timeline:08X}" if self.cluster else ""


def cluster_of_session(session: "Session[Any]") -> str:
    """Return the identifier of the cluster that a connection reached; empty if the user may not see it."""
    with _lock:
        return _histories[session].cluster


def refuse_former_primaries(engine: Engine) -> None:
    """Let the engine connect to the server that has taken over, although a former primary accepts connections, too."""

    @event.listens_for(engine, "do_connect")
    def connect(
        dialect: Dialect, _entry: ConnectionPoolEntry, _arguments: list[Any], parameters: dict[str, Any]
    ) -> "Session[Any]":
        return _connect_to_newest(lambda hosts: cast("Session[Any]", dialect.connect(**parameters | hosts)), parameters)


def _connect_to_newest(
    connect: Callable[[dict[str, str]], "Session[Any]"], parameters: dict[str, Any]
) -> "Session[Any]":
    hosts = str(parameters.get("host", "")).split(",")
    ports = str(parameters.get("port", "")).split(",")
    servers = list(zip(hosts, ports if len(ports) == len(hosts) else ports[:1] * len(hosts), strict=True))
    session = connect({})
    while _is_replaced(session):
        host, port = session.info.host, session.info.port
        session.close()
        servers = [server for server in servers if server not in ((host, str(port)), (host, ""))]
        if not servers or len(hosts) == 1:
            raise OperationalError(f"the server at {host}:{port} is a former primary; another one has taken over")
        session = connect({"host": ",".join(name for name, _ in servers), "port": ",".join(at for _, at in servers)})
    return session


def _is_replaced(session: "Session[Any]") -> bool:
    """Return whether this process has reached a server that took over from this one; else note its timeline."""
    history = _read_history(session)
    with _lock:
        _histories[session] = history
        newest = max(_newest_timelines.get(history.cluster, 0), history.timeline)
        _newest_timelines[history.cluster] = newest
    return is_of_former_primary(session)


def is_of_former_primary(session: "Session[Any]") -> bool:
    """Return whether this process has reached a server that took over from that of a connection."""
    with _lock:
        history = _histories.get(session)
        if history is None or not history.cluster or not history.timeline:
            return False
        return history.timeline < _newest_timelines[history.cluster]


def _read_history(session: "Session[Any]") -> DatabaseHistory:
    """Return the history of the server that a new connection has reached. Raises `psycopg.Error`."""
    try:
        with session.cursor() as cursor:
            row = cursor.execute(_HISTORY).fetchone()
        return DatabaseHistory("", 0) if row is None else DatabaseHistory(row[0], row[1])
    except Error as error:
        if error.sqlstate is None:
            raise
        return DatabaseHistory("", 0)  # the user may not execute pg_control_system()
    finally:
        if not session.closed:
            session.rollback()

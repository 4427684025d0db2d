"""Converts a server's row between the store and its state, its condition and why it has no reading."""

from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, bindparam, func, select, update

from streamusage.api.report import Baseline
from streamusage.service.rules.apply import ServerState
from streamusage.service.store.schema import servers
from streamusage.service.store.sql import upsert
from streamusage.service.store.statements import PreparedStatement
from streamusage.service.store.writing.write_group import lock_server

_STATE_FIELDS = ServerState.__struct_fields__
_BASELINE = msgspec.json.Decoder(Baseline)

_STATE = PreparedStatement(select(servers).where(servers.c.server == bindparam("of_server")))


class ClockRefusal(NamedTuple):
    """Since when a server's reports are refused because they cover time after trusted time."""

    at_ms: int
    by_ms: int
    """How far the newest of them was ahead."""


class ServerCondition(NamedTuple):
    """The condition of a server that affects the figures of its sessions."""

    owes: str = ""
    """`missing` or `held` while its figures are overdue."""
    unreachable: bool = False
    """Silent for longer than the edge timeout: its subscribers count neither as active nor as lost."""
    removed: str = ""
    """`in order` or `by force`; empty while the server is part of the estate."""


def load_state(connection: Connection, server: str) -> tuple[ServerState, ServerCondition]:
    """Return the server's state and condition, to write them; those of a new server if it never reported."""
    state, condition, _ = load_reporter(connection, server)
    return state, condition


def state_of_row(row: Row[Any]) -> ServerState:
    """Return the state in a row of `servers`."""
    values = {name: getattr(row, name) for name in _STATE_FIELDS}
    if row.baseline is not None:
        values["baseline"] = _BASELINE.decode(row.baseline)
    return ServerState(**values)


def condition_of_row(row: Row[Any]) -> ServerCondition:
    """Return the condition in a row of `servers`."""
    return ServerCondition(row.owes, bool(row.unreachable), row.removed)


def clock_refusal_of_row(row: Row[Any]) -> ClockRefusal | None:
    """Return the refusal in a row of `servers`; `None` while reports are accepted."""
    return None if row.clock_refused_at is None else ClockRefusal(row.clock_refused_at, row.clock_refused_by_ms)


def load_reporter(connection: Connection, server: str) -> tuple[ServerState, ServerCondition, bool]:
    """Return what `load_state` returns, and whether reports of the server are refused for their clock."""
    lock_server(connection, server)
    rows = _STATE.rows(connection, of_server=server)
    if not rows:
        return ServerState(server=server), ServerCondition(), False
    return state_of_row(rows[0]), condition_of_row(rows[0]), rows[0].clock_refused_at is not None


class SourceFailure(NamedTuple):
    """Why the agent of a server has no reading, as it reports."""

    error: str
    since_ms: int
    reported_at_ms: int


def source_failure_of_row(row: Row[Any]) -> SourceFailure | None:
    """Return the failure in a row of `servers`; `None` while the agent can read its media server."""
    if row.source_error_since is None:
        return None
    return SourceFailure(row.source_error, row.source_error_since, row.source_error_at)


def load_source_failure(connection: Connection, server: str) -> SourceFailure | None:
    """Return why the server's agent has no reading; `None` while it has."""
    rows = _STATE.rows(connection, of_server=server)
    return source_failure_of_row(rows[0]) if rows else None


def save_source_failure(connection: Connection, server: str, error: str, since_ms: int, now_ms: int) -> None:
    """Record the failure in an existing row. Its start stays until the agent has a reading."""
    since = func.coalesce(servers.c.source_error_since, since_ms)
    connection.execute(
        update(servers)
        .where(servers.c.server == server)
        .values(source_error=error, source_error_since=since, source_error_at=now_ms)
    )


ALL_COLUMNS = (*_STATE_FIELDS, *ServerCondition._fields)
"""The columns of a state and a condition."""
_OF_ACCOUNTING = ("summed_to", "closed_to", "minutes_kept_from", "hours_kept_from")
"""Those that belong to the sums and closings of days, and to retention."""
REPORTED_COLUMNS = tuple(name for name in ALL_COLUMNS if name not in _OF_ACCOUNTING)
"""Those that a report changes."""


def save_state(
    connection: Connection, state: ServerState, condition: ServerCondition, columns: tuple[str, ...] = ALL_COLUMNS
) -> None:
    """Write these columns of the server's row. A server without a row gets a whole one."""
    values = {name: getattr(state, name) for name in _STATE_FIELDS}
    values |= {"owes": condition.owes, "unreachable": int(condition.unreachable), "removed": condition.removed}
    if state.baseline is not None:
        values["baseline"] = msgspec.json.encode(state.baseline)
    upsert(connection, servers, [values], keep=_others(columns))


@cache
def _others(columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in ALL_COLUMNS if name not in columns)

"""Trusted time in the store: one row for each machine on which a service process runs, by its boot id.

The store may be shared by processes on several machines. Each continues its own row, because boot clocks of different
machines are not comparable; the newest time of all rows is what a rebooted machine is judged by.
"""

from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, func, insert, select

from streamusage.core.days import day_interval
from streamusage.service.rules.trusted_time import OFF_MS, TrustedTime
from streamusage.service.store.migrations.running import MIGRATIONS
from streamusage.service.store.schema import accepted_times, audit, clocks, held, servers, usage
from streamusage.service.store.sql import upsert

KEPT_MS = 30 * 86_400_000
"""How long the row of a former boot is kept."""

_STATE = msgspec.json.Decoder(TrustedTime)


class AcceptedTime(NamedTuple):
    """A wall clock that an operator accepted."""

    number: int
    at_ms: int


def load_clock(connection: Connection, boot: str) -> TrustedTime | None:
    """Return what a process of this boot stored last; `None` if none did."""
    row = connection.execute(select(clocks.c.state).where(clocks.c.boot == boot)).one_or_none()
    return None if row is None else _STATE.decode(row.state)


def load_clocks(connection: Connection) -> list[TrustedTime]:
    """Return the state of every machine, the newest last."""
    return [
        _STATE.decode(row.state) for row in connection.execute(select(clocks.c.state).order_by(clocks.c.instant_ms))
    ]


def save_clock(connection: Connection, state: TrustedTime) -> None:
    """Write the row of the state's machine. A confirmed instant discards rows of former boots, and rows far ahead."""
    stored = msgspec.json.encode(msgspec.structs.replace(state, witnesses={}))
    upsert(
        connection,
        clocks,
        [{"boot": state.boot, "instant_ms": state.instant_ms, "elapsed_ms": state.elapsed_ms, "state": stored}],
    )
    if state.doubt is None:
        instant_ms = clocks.c.instant_ms
        old = (instant_ms < state.instant_ms - KEPT_MS) | (instant_ms > state.instant_ms + OFF_MS)
        connection.execute(delete(clocks).where(clocks.c.boot != state.boot, old))


def newest_time(connection: Connection) -> int | None:
    """Return the newest trusted time in the store, or the newest stamp of an earlier version; `None` if empty."""
    newest = connection.execute(select(func.max(clocks.c.instant_ms))).scalar()
    if newest is not None:
        return int(newest)
    stamps = (
        select(func.max(servers.c.last_sync_at)),
        select(usage.c.touched_at).order_by(usage.c.change.desc()).limit(1),
        select(func.max(audit.c.at)),
        select(func.max(held.c.last_at)),
    )
    found = [stamp for query in stamps if (stamp := connection.execute(query).scalar())]
    return max(found, default=None)


def newest_accepted_time(connection: Connection) -> AcceptedTime | None:
    """Return the wall clock that was accepted last; `None` if none ever was."""
    row = connection.execute(select(accepted_times).order_by(accepted_times.c.number.desc()).limit(1)).one_or_none()
    return None if row is None else AcceptedTime(row.number, row.at)


def accept_time(connection: Connection, wall_ms: int) -> None:
    """Record a wall clock that an operator accepted. Every running process whose clock agrees with it follows."""
    newest = newest_accepted_time(connection)
    number = 1 if newest is None else newest.number + 1
    connection.execute(insert(accepted_times).values(number=number, at=wall_ms))


def newest_migration_ms() -> int:
    """Return the date of the newest migration that has one: no earlier wall clock can be right."""
    revisions = ScriptDirectory(str(MIGRATIONS), recursive_version_locations=True).walk_revisions()
    days = [date.fromisoformat(day) for revision in revisions if (day := getattr(revision.module, "written", None))]
    return day_interval(max(days), ZoneInfo("UTC")).from_ms

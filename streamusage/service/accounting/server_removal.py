"""Taking servers out of the estate, in order or by force, in one transaction with the figures that this changes.

In order: what the server reported stays, its publishes are over. By force: its part of every session is not accounted
for any more. Its daily statistics stay either way, and a server that reports again is back with all that it counted.
"""

from typing import Literal, NamedTuple

from sqlalchemy import Connection, select, update

from streamusage.service.ingest.sessions import live_sessions, refresh, sessions_of
from streamusage.service.store.audit import note
from streamusage.service.store.schema import servers
from streamusage.service.store.server_rows import state_of

Outcome = Literal["removed", "unknown", "reports"]


class Removed(NamedTuple):
    """What became of a removal: `reports` where the server still does, so that only force takes it out."""

    outcome: Outcome
    sessions: int = 0
    """How many sessions it had a part in that changed."""


def remove_server(connection: Connection, server: str, who: str, now_ms: int, *, force: bool) -> Removed:
    """Takes the server out. One that was taken out in order can still be taken out by force."""
    row = connection.execute(select(servers).where(servers.c.server == server, servers.c.epoch > 0)).first()
    how = "by force" if force else "in order"
    if row is None or row.removed in ("by force", how):
        return Removed("unknown")
    state = state_of(row)
    if not force and state.last_sync_at is not None and now_ms - state.last_sync_at <= state.late_after_ms:
        return Removed("reports")
    touched = sessions_of(connection, server) if force else live_sessions(connection, server)
    values = {"removed": how, "owes": "", "unreachable": 0}
    if not row.removed:  # else it has been out of service since then
        values["removed_at"] = now_ms
    connection.execute(update(servers).where(servers.c.server == server).values(values))
    refresh(connection, touched, now_ms, forget_max=force)
    note(connection, who, f"remove server {how}", now_ms, records=len(touched), server=server)
    return Removed("removed", len(touched))

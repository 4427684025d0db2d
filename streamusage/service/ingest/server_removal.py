"""Removes servers from the estate, in order or by force, in one transaction with the figures that this changes.

In order: what the server reported stays, its publishes have ended. By force: its part of every session is no longer
accounted for. Its daily statistics stay either way. A server that reports again returns with everything it counted.
"""

from typing import Literal

from sqlalchemy import Connection, select, update

from streamusage.api.extension import RemovedServer
from streamusage.service.errors import FiledAheadError, PartsPendingError, ServerStillReportsError, UnknownServerError
from streamusage.service.ingest.sessions import live_sessions, refresh_records, sessions_of, unseen_sessions
from streamusage.service.rules.repair import is_filed_ahead
from streamusage.service.store.audit import record_audit
from streamusage.service.store.coverage_rows import is_known_server
from streamusage.service.store.schema import servers
from streamusage.service.store.server_states import state_of_row


def remove_server(connection: Connection, server: str, actor: str, now_ms: int, *, force: bool) -> RemovedServer:
    """Remove the server, and its part of every session with `force`.

    A server that was removed in order can still be removed by force. Raises `UnknownServerError`, `FiledAheadError`
    while figures of the server are filed in the future, `PartsPendingError` while a report of it is being applied, and
    `ServerStillReportsError` without `force` while it reports.
    """
    row = connection.execute(select(servers).where(servers.c.server == server, is_known_server())).first()
    how: Literal["in order", "by force"] = "by force" if force else "in order"
    if row is None or row.removed in ("by force", how):
        raise UnknownServerError("no server of that name is part of the estate; nothing was removed")
    state = state_of_row(row)
    if state.parts_pending:
        raise PartsPendingError(state.parts_pending)
    if not force and state.last_sync_at is not None and now_ms - state.last_sync_at <= state.late_after_ms:
        raise ServerStillReportsError(
            "the server still reports; nothing was removed: stop its agent first, or remove the server by force"
        )
    if is_filed_ahead(state, now_ms):
        raise FiledAheadError(
            "figures of the server are filed in the future, and would stay there; nothing was removed: repair the "
            "server first, with streamtop servers repair"
        )
    touched = sessions_of(connection, server) if force else live_sessions(connection, server)
    values = {"removed": how, "owes": "", "unreachable": 0}
    if not row.removed:  # else it has been out of service since the first removal
        values["removed_at"] = now_ms
    connection.execute(update(servers).where(servers.c.server == server).values(values))
    refresh_records(connection, touched, now_ms, forget_max=force)
    if force:  # sessions that one of the server had ended
        refresh_records(connection, unseen_sessions(connection, touched) - touched, now_ms)
    record_audit(connection, actor, f"remove server {how}", now_ms, records=len(touched), server=server)
    return RemovedServer(now=now_ms, server=server, removed=how, sessions=len(touched))

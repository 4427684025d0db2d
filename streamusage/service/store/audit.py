"""The audit log: who changed stored data, when, and how many records. Written in the transaction of the change."""

import secrets

from sqlalchemy import ColumnElement, Connection, insert, or_, select

from streamusage.api.extension import Audit, AuditEntry
from streamusage.core.coverage import Interval
from streamusage.core.usage import StreamId
from streamusage.service.store.schema import audit

_OF_EVIDENCE = ("close day ", "repair server", "propose correction ", "approve correction ", "reverse correction ")
"""Beginnings of the operations that changed closed days; their entries stay as long as the days, which is for good."""


def concerns_closed_days() -> ColumnElement[bool]:
    """Return the condition of the entries about closed days."""
    return or_(*(audit.c.operation.startswith(text, autoescape=True) for text in _OF_EVIDENCE))


def record_audit(
    connection: Connection,
    actor: str,
    operation: str,
    now_ms: int,
    *,
    records: int,
    stream: StreamId | None = None,
    server: str = "",
    start_time: int | None = None,
) -> None:
    """Write one entry. `actor` is the name of a token, never the token. A server's name takes the place of a stream's
    name, without a scope.
    """
    connection.execute(
        insert(audit).values(
            at=now_ms,
            id=secrets.token_hex(8),
            who=actor,
            operation=operation,
            scope=stream.scope if stream else "",
            name=stream.name if stream else server,
            start_time=start_time,
            records=records,
        )
    )


def list_audit_entries(connection: Connection, window: Interval, limit: int, now_ms: int) -> Audit:
    """Return the entries of a window, newest first."""
    query = select(audit).where(audit.c.at >= window.from_ms, audit.c.at < window.to_ms)
    rows = connection.execute(query.order_by(audit.c.at.desc(), audit.c.id).limit(limit + 1)).all()
    return Audit(
        now=now_ms,
        more=len(rows) > limit,
        entries=[
            AuditEntry(
                at=row.at,
                who=row.who,
                operation=row.operation,
                scope=row.scope,
                name=row.name,
                start_time=row.start_time,
                records=row.records,
            )
            for row in rows[:limit]
        ],
    )

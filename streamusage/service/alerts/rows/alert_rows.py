"""Alerts and silences in the store."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, delete, or_, select, update

from streamusage.api.alerts import Silence
from streamusage.service.alerts.states import AlertState
from streamusage.service.store.schema import alert_silences, alerts
from streamusage.service.store.sql import upsert

KEPT_MS = 7 * 86_400_000
"""How long a resolved alert is kept, unless its condition holds for ever. Ended silences are kept as long."""

LOST_KEPT_MS = 60 * 86_400_000
"""How long a lost gap is remembered after its alert: longer than rules look back."""

_STATE = msgspec.json.Decoder(AlertState)
_SILENCE = msgspec.json.Decoder(Silence)


def load_states(connection: Connection) -> dict[str, AlertState]:
    """Return all alerts by id."""
    return {row.id: _STATE.decode(row.body) for row in connection.execute(select(alerts))}


def load_recent_states(connection: Connection, resolved_since_ms: int, limit: int) -> list[AlertState]:
    """Return the alerts that are pending or fire, and the newest of those resolved since then. All of them fired or may
    fire.
    """
    lasting = select(alerts.c.body).where(or_(alerts.c.phase == "firing", alerts.c.phase == "pending"))
    ended = (
        select(alerts.c.body)
        .where(alerts.c.phase == "resolved", alerts.c.resolved_at >= resolved_since_ms)
        .order_by(alerts.c.resolved_at.desc())
        .limit(limit)
    )
    found = [_STATE.decode(row.body) for query in (lasting, ended) for row in connection.execute(query)]
    return [state for state in found if state.phase != "resolved" or state.fired_at is not None]


def save_states(connection: Connection, changed: Iterable[AlertState], gone: Iterable[str]) -> None:
    """Write the changed alerts and delete those that are gone."""
    rows = [
        {
            "id": state.id,
            "phase": state.phase,
            "resolved_at": state.resolved_at if state.phase == "resolved" else None,
            "body": msgspec.json.encode(state),
        }
        for state in changed
    ]
    upsert(connection, alerts, rows)
    for key in gone:
        connection.execute(delete(alerts).where(alerts.c.id == key))


def load_silences(connection: Connection, now_ms: int) -> list[Silence]:
    """Return the silences that have not ended, by their end."""
    query = select(alert_silences.c.body).where(alert_silences.c.ends_at > now_ms)
    return [_SILENCE.decode(row.body) for row in connection.execute(query.order_by(alert_silences.c.ends_at))]


def save_silence(connection: Connection, silence: Silence) -> None:
    """Write a silence, and discard those that ended long ago."""
    row = {"id": silence.id, "ends_at": silence.ends_at, "body": msgspec.json.encode(silence)}
    upsert(connection, alert_silences, [row])
    connection.execute(delete(alert_silences).where(alert_silences.c.ends_at < silence.created_at - KEPT_MS))


def end_silence(connection: Connection, id: str, now_ms: int) -> Silence | None:
    """End a silence now and return it; `None` if none of that id is in force."""
    row = connection.execute(
        select(alert_silences.c.body).where(alert_silences.c.id == id, alert_silences.c.ends_at > now_ms)
    ).one_or_none()
    if row is None:
        return None
    ended = msgspec.structs.replace(_SILENCE.decode(row.body), ends_at=now_ms)
    connection.execute(
        update(alert_silences).where(alert_silences.c.id == id).values(ends_at=now_ms, body=msgspec.json.encode(ended))
    )
    return ended

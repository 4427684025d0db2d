"""Which of several processes evaluates and sends: one row that its holder changes with each evaluation.

No clock of another machine is trusted: a process watches the beat of the row, and takes over when that has not moved
for `hand_over` of its own elapsed time. It does so only if the row is still as it has seen it, so that one of several
that try succeeds. A holder that finds another name in the row stops.
"""

import msgspec
from sqlalchemy import Connection, insert, select, update

from streamusage.api.alerts import ReceiverFormat
from streamusage.service.store.schema import alert_sender

_ROW = "sender"


class ListedReceiver(msgspec.Struct, frozen=True, kw_only=True):
    """What every process may list of a receiver."""

    name: str
    format: ReceiverFormat
    host: str


class SenderReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the process that sends reports to the others."""

    rules: dict[str, str] = msgspec.field(default_factory=dict)
    """Severity of each rule that was evaluated, by its name."""
    failing: dict[str, str] = msgspec.field(default_factory=dict)
    """Why a rule could not be evaluated last time."""
    receivers: tuple[ListedReceiver, ...] = ()


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The row as it was read."""

    holder: str = ""
    beat: int = 0
    at_ms: int = 0
    report: SenderReport = msgspec.field(default_factory=SenderReport)


class LostLeaseError(Exception):
    """Another process evaluates and sends; nothing was written."""


_REPORT = msgspec.json.Decoder(SenderReport)


def load_lease(connection: Connection) -> Lease:
    """Return the row; without one, a lease that nobody holds."""
    row = connection.execute(select(alert_sender).where(alert_sender.c.name == _ROW)).one_or_none()
    if row is None:
        return Lease()
    return Lease(holder=row.holder, beat=row.beat, at_ms=row.at, report=_REPORT.decode(row.body))


def take_lease(connection: Connection, seen: Lease, holder: str, now_ms: int) -> Lease:
    """Take the lease over, if it is as it was seen. Raises `LostLeaseError`."""
    taken = msgspec.structs.replace(seen, holder=holder, beat=seen.beat + 1, at_ms=now_ms)
    if seen == Lease() and connection.execute(select(alert_sender.c.name)).first() is None:
        body = msgspec.json.encode(taken.report)
        connection.execute(insert(alert_sender).values(name=_ROW, holder=holder, beat=1, at=now_ms, body=body))
        return taken
    _change(connection, seen, taken)
    return taken


def keep_lease(connection: Connection, held: Lease, report: SenderReport, now_ms: int) -> Lease:
    """Move the beat of a lease that is held, before anything else is written. Raises `LostLeaseError`."""
    kept = msgspec.structs.replace(held, beat=held.beat + 1, at_ms=now_ms, report=report)
    _change(connection, held, kept)
    return kept


def release_lease(connection: Connection, held: Lease) -> None:
    """Let another process take over at once. Raises `LostLeaseError`."""
    _change(connection, held, msgspec.structs.replace(held, holder="", beat=held.beat + 1))


def _change(connection: Connection, before: Lease, after: Lease) -> None:
    is_seen = (
        (alert_sender.c.name == _ROW) & (alert_sender.c.holder == before.holder) & (alert_sender.c.beat == before.beat)
    )
    values = {"holder": after.holder, "beat": after.beat, "at": after.at_ms, "body": msgspec.json.encode(after.report)}
    if connection.execute(update(alert_sender).where(is_seen).values(**values)).rowcount != 1:
        raise LostLeaseError("another process evaluates and sends alerts; nothing was written")

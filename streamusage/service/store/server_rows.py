"""Converts a server's rows between the store and the types of the rules. Its state is in `server_states`.

A stored span lies in one UTC day, so that it lies in one partition, and retention discards it with its day. Readers
that list spans join them again with `merge_pieces`. Longer spans of earlier versions were cut by migration 0017;
`partitions/long_spans` cuts those of a process that is not upgraded yet.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, select, tuple_

from streamusage.api.report import OutageRow, Peak, SampleRow, SessionRow, SlotRow, ViewerRow
from streamusage.core.coverage import Provenance
from streamusage.core.figures import late_slot_sums, slot_sums
from streamusage.core.reasons import canonical_reason
from streamusage.service.rules.apply import (
    LateFigures,
    Piece,
    ReportRows,
    SampleKey,
    StoredRows,
    StoredSample,
    StoredSlot,
)
from streamusage.service.rules.coverage import cut_at_midnight
from streamusage.service.rules.gained import GainedFigures
from streamusage.service.rules.utc_days import utc_day_of
from streamusage.service.store.schema import (
    outages,
    samples,
    server_sessions,
    slot_connections,
    slots,
    spans,
    stream_key,
    totals,
    viewers,
)
from streamusage.service.store.sql import add_to, upsert
from streamusage.service.store.statements import PreparedStatement
from streamusage.service.store.streams.stream_slots import load_epoch_streams

Item = TypeVar("Item")

_BATCH_SIZE = 300

_SESSION_FIELDS = SessionRow.__struct_fields__

_SERVER: Any = bindparam("of_server")
_EPOCH: Any = bindparam("of_epoch")
_STARTS: Any = bindparam("starts", expanding=True)


def _among(slot: ColumnElement[int]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of the slots in `starts`. Without the bounds, a database that does not know yet how large
    the table has become reads all slots of the server.
    """
    return slot.in_(_STARTS), slot >= bindparam("first"), slot <= bindparam("last")


_SLOTS = PreparedStatement(
    select(slots).where(slots.c.server == _SERVER, slots.c.epoch == _EPOCH, *_among(slots.c.slot)), listed="starts"
)
_SLOT_CONNECTIONS = PreparedStatement(
    select(slot_connections).where(
        slot_connections.c.server == _SERVER,
        slot_connections.c.epoch == _EPOCH,
        *_among(slot_connections.c.slot),
    ),
    listed="starts",
)
_SESSIONS = PreparedStatement(
    select(server_sessions).where(
        server_sessions.c.server == _SERVER,
        server_sessions.c.epoch == _EPOCH,
        server_sessions.c.publish_id.in_(bindparam("publishes", expanding=True)),
    ),
    listed="publishes",
)
_LIVE_SESSIONS = PreparedStatement(
    select(server_sessions).where(
        server_sessions.c.server == _SERVER, server_sessions.c.epoch == _EPOCH, server_sessions.c.live != 0
    )
)
_SAMPLES = PreparedStatement(
    select(samples).where(
        samples.c.server == _SERVER,
        tuple_(samples.c.stream, samples.c.slot).in_(bindparam("keys", expanding=True)),
        samples.c.slot >= bindparam("first"),
        samples.c.slot <= bindparam("last"),
    ),
    listed="keys",
)
_LAST_SPAN = PreparedStatement(
    select(spans)
    .where(spans.c.server == _SERVER, spans.c.from_ms >= bindparam("day"), spans.c.from_ms < bindparam("before"))
    .order_by(spans.c.from_ms.desc())
    .limit(1)
)


def load_viewers(connection: Connection, server: str) -> list[ViewerRow]:
    """Return the open viewer connections of the server, all of which are counted already."""
    return [
        ViewerRow(
            viewer_id=row.viewer_id,
            revision=row.revision,
            open=True,
            scope=row.scope,
            name=row.name,
            protocol=row.protocol,
            started_at=row.started_at,
            publish_id=row.publish_id,
            counted_to=row.counted_to,
        )
        for row in connection.execute(select(viewers).where(viewers.c.server == server))
    ]


def load_stored_rows(connection: Connection, server: str, rows: ReportRows) -> StoredRows:
    """Return the stored rows that rows of a report touch."""
    return StoredRows(
        load_epoch_slots(connection, server, rows.epoch, {row.slot for row in rows.slots}),
        _load_sessions(connection, server, rows),
        _load_samples(connection, server, rows),
        streams=load_epoch_streams(connection, server, rows.epoch, {row.slot for row in rows.stream_slots}),
    )


def save_slots(connection: Connection, server: str, epoch: int, stored: Sequence[StoredSlot]) -> None:
    """Write the slots and their connections by protocol."""
    upsert(connection, slots, (_slot_columns(server, epoch, slot) for slot in stored))
    upsert(
        connection,
        slot_connections,
        (
            {
                "server": server,
                "epoch": epoch,
                "slot": row.slot,
                "protocol": protocol,
                "connections": count,
                "late_connections": late.connections.get(protocol, 0),
            }
            for row, late in stored
            for protocol, count in row.connections.items()
        ),
    )


def add_totals(connection: Connection, server: str, gained: Sequence[GainedFigures]) -> None:
    """Add what a report brings to all that the server reported."""
    if gained:
        add_to(connection, totals, [{"server": server} | figures._asdict() for figures in gained])


def save_pieces(connection: Connection, server: str, pieces: Sequence[Piece]) -> None:
    """Add newly covered time to the server's spans. The span before it is extended up to the end of its UTC day if the
    new time is of the same kind.
    """
    if not pieces:
        return
    first = pieces[0].from_ms
    found = _LAST_SPAN.rows(connection, of_server=server, day=utc_day_of(first - 1), before=first)
    grown = [piece_of_row(row) for row in found]
    for piece in pieces:
        if grown and grown[-1].to_ms == piece.from_ms and _same_kind(grown[-1], piece):
            grown[-1] = grown[-1]._replace(to_ms=piece.to_ms)
        else:
            grown.append(piece)
    write_pieces(connection, server, grown)


def write_pieces(connection: Connection, server: str, pieces: Sequence[Piece]) -> None:
    """Write pieces of the server's coverage, each cut at midnight."""
    upsert(
        connection,
        spans,
        (
            {"server": server} | part._asdict() | {"state": str(part.state)}
            for piece in pieces
            for part in cut_at_midnight(piece)
        ),
    )


def piece_of_row(row: Row[Any]) -> Piece:
    """The covered time in a row of `spans`."""
    return Piece(
        row.from_ms, row.to_ms, Provenance(row.state), canonical_reason(row.reason), row.detected_at, row.filled_at
    )


def save_samples(connection: Connection, server: str, stored: Sequence[StoredSample]) -> None:
    """Write the samples."""
    upsert(
        connection,
        samples,
        (
            {
                "server": server,
                "stream": stream_key(sample.row.scope, sample.row.name),
                "slot": sample.row.slot,
                "epoch": sample.epoch,
                "revision": sample.row.revision,
                "active": sample.row.active,
                "highest": sample.row.highest,
                "late": int(sample.late),
            }
            for sample in stored
        ),
    )


def save_viewers(connection: Connection, server: str, opened: Sequence[ViewerRow], closed: Sequence[str]) -> None:
    """Write the opened viewers and delete the closed ones."""
    columns = [name for name in ViewerRow.__struct_fields__ if name not in ("open", "is_acknowledged")]
    upsert(
        connection,
        viewers,
        [{"server": server} | {name: getattr(row, name) for name in columns} for row in opened],
    )
    for start in range(0, len(closed), _BATCH_SIZE):
        batch = list(closed[start : start + _BATCH_SIZE])
        connection.execute(delete(viewers).where(viewers.c.server == server, viewers.c.viewer_id.in_(batch)))


def save_outages(connection: Connection, server: str, rows: Sequence[OutageRow]) -> None:
    """Write outages as the agent reported them. An applied report is newer than all before, so its rows win."""
    upsert(
        connection,
        outages,
        [
            {
                "server": server,
                "from_ms": row.began_at,
                "to_ms": max(phase.at for phase in row.phases),
                "phases": msgspec.json.encode(row.phases),
                "failed_attempts": row.failed_attempts,
                "error": row.error,
                "left_out": row.left_out,
            }
            for row in rows
        ],
    )


def load_epoch_slots(connection: Connection, server: str, epoch: int, slots: Collection[int]) -> dict[int, StoredSlot]:
    """Return the stored ones of these slots in one epoch."""
    stored: dict[int, StoredSlot] = {}
    for starts in _batches(sorted(slots)):
        values = {"of_server": server, "of_epoch": epoch, "starts": starts, "first": starts[0], "last": starts[-1]}
        counted: dict[int, tuple[dict[str, int], dict[str, int]]] = {}
        for row in _SLOT_CONNECTIONS.rows(connection, **values):
            connections, late = counted.setdefault(row.slot, ({}, {}))
            connections[row.protocol] = row.connections
            if row.late_connections:
                late[row.protocol] = row.late_connections
        for row in _SLOTS.rows(connection, **values):
            stored[row.slot] = _stored_slot(row, *counted.get(row.slot, ({}, {})))
    return stored


def _stored_slot(row: Row[Any], connections: dict[str, int], late: dict[str, int]) -> StoredSlot:
    return StoredSlot(
        SlotRow(
            slot=row.slot,
            revision=row.revision,
            connections=connections,
            **slot_sums(row),
            peak_in=_peak(row.peak_in_bps, row.peak_in_at, row.peak_in_window_ms),
            peak_out=_peak(row.peak_out_bps, row.peak_out_at, row.peak_out_window_ms),
        ),
        LateFigures(connections=late, **late_slot_sums(row)),
    )


def _slot_columns(server: str, epoch: int, stored: StoredSlot) -> dict[str, Any]:
    row, late = stored
    return {
        "server": server,
        "epoch": epoch,
        "slot": row.slot,
        "revision": row.revision,
        **slot_sums(row),
        "peak_in_bps": row.peak_in and row.peak_in.bps,
        "peak_in_at": row.peak_in and row.peak_in.at,
        "peak_in_window_ms": row.peak_in and row.peak_in.window_ms,
        "peak_out_bps": row.peak_out and row.peak_out.bps,
        "peak_out_at": row.peak_out and row.peak_out.at,
        "peak_out_window_ms": row.peak_out and row.peak_out.window_ms,
        **{f"late_{name}": amount for name, amount in slot_sums(late).items()},
    }


def _load_sessions(connection: Connection, server: str, rows: ReportRows) -> dict[str, SessionRow]:
    stored = {}
    for publishes in _batches({row.publish_id for row in rows.sessions}):
        for row in _SESSIONS.rows(connection, of_server=server, of_epoch=rows.epoch, publishes=publishes):
            stored[row.publish_id] = _session_of_row(row)
    return stored


def load_live_publishes(connection: Connection, server: str, epoch: int) -> list[SessionRow]:
    """Return the publishes of a server that are live in its epoch."""
    return [_session_of_row(row) for row in _LIVE_SESSIONS.rows(connection, of_server=server, of_epoch=epoch)]


def _session_of_row(row: Row[Any]) -> SessionRow:
    return SessionRow(**{name: getattr(row, name) for name in _SESSION_FIELDS} | {"live": bool(row.live)})


def _load_samples(connection: Connection, server: str, rows: ReportRows) -> dict[SampleKey, StoredSample]:
    named = {(stream_key(row.scope, row.name), row.slot): row for row in rows.samples}
    stored = {}
    for keys in _batches(sorted(named)):
        of_slots = [slot for _, slot in keys]
        for row in _SAMPLES.rows(connection, of_server=server, keys=keys, first=min(of_slots), last=max(of_slots)):
            sample_row = named[bytes(row.stream), row.slot]
            stored[SampleKey(row.slot, sample_row.scope, sample_row.name)] = StoredSample(
                row.epoch,
                SampleRow(
                    slot=row.slot,
                    scope=sample_row.scope,
                    name=sample_row.name,
                    revision=row.revision,
                    active=row.active,
                    highest=row.highest,
                ),
                bool(row.late),
            )
    return stored


def _batches(items: Collection[Item]) -> Iterator[list[Item]]:
    """Split the keys of a query: a statement takes a limited number of parameters."""
    rest = iter(items)
    while batch := list(islice(rest, _BATCH_SIZE)):
        yield batch


def _peak(bps: int | None, at: int | None, window_ms: int | None) -> Peak | None:
    return None if bps is None or at is None or window_ms is None else Peak(bps, at, window_ms)


def _same_kind(piece: Piece, other: Piece) -> bool:
    return (piece.state, piece.reason, piece.filled_at) == (other.state, other.reason, other.filled_at)

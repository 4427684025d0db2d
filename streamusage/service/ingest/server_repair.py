"""Repairs a server whose figures a wrong clock filed in the future, in one transaction.

Rows, coverage, sums of hours and the server's state move to the true time (`rules/repair.py`). The epoch is sealed: the
agent's next report is refused, and it begins anew from the moved baseline, so that it sends nothing of the old again.
Days that the wrong clock closed get a void entry and close anew. Epoch numbers that leave no room for the next ones
(`rules/epoch_repair.py`) are replaced by low ones.
"""

from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, and_, case, delete, func, or_, select, tuple_, update

from streamusage.api.extension import RepairedServer
from streamusage.api.report import OutageRow, PhaseChange
from streamusage.core.coverage import Interval, slot_of
from streamusage.core.figures import SLOT_SUM_NAMES
from streamusage.service.accounting.disagreements import forget_disagreements, mark_hours
from streamusage.service.accounting.hours import hour_of
from streamusage.service.accounting.ledger import (
    find_closings,
    limit_closed_until,
    record_adjustments,
    void_closings,
    void_entry,
)
from streamusage.service.accounting.utc_days import forget_days
from streamusage.service.errors import PartsPendingError, UnknownServerError
from streamusage.service.ingest.session_maximum import FROM_START
from streamusage.service.ingest.sessions import (
    live_sessions,
    move_sessions,
    refresh_records,
    sessions_of,
)
from streamusage.service.rules.apply import Piece, ServerState
from streamusage.service.rules.epoch_repair import EpochRepair, plan_epoch_repair
from streamusage.service.rules.repair import (
    Relocation,
    Repair,
    SlotSample,
    is_ahead,
    is_closed_wrongly,
    move_outage,
    move_samples,
    move_slots,
    move_viewer,
    plan_repair,
    repaired_end,
    seal,
)
from streamusage.service.rules.session_matching import StreamStart
from streamusage.service.rules.stream_slots import move_streams
from streamusage.service.store.audit import record_audit
from streamusage.service.store.change_feed import (
    FIGURES_MOVED,
    SAMPLES_KEPT_FROM,
    SLOTS_KEPT_FROM,
    read_counter,
    set_counter,
)
from streamusage.service.store.coverage_rows import is_known_server
from streamusage.service.store.schema import (
    held,
    hours,
    orphans,
    outages,
    samples,
    server_sessions,
    servers,
    slot_connections,
    slots,
    spans,
    stream_hours,
    stream_slots,
    usage,
)
from streamusage.service.store.server_rows import (
    load_epoch_slots,
    load_viewers,
    piece_of_row,
    save_outages,
    save_slots,
    save_viewers,
    write_pieces,
)
from streamusage.service.store.server_states import (
    condition_of_row,
    save_state,
    state_of_row,
)
from streamusage.service.store.sql import upsert
from streamusage.service.store.streams.stream_slots import load_epoch_streams, save_streams

VOID_REASON = "the clock was wrong: the day was closed before its end, or while figures were filed in the future"

_TABLES_WITH_EPOCHS = (slots, slot_connections, stream_slots, server_sessions, samples, held, orphans)
_PHASES = msgspec.json.Decoder(tuple[PhaseChange, ...])
_BATCH_SIZE = 300
_AFTER_ALL_DAYS = 2**53


class _Findings(NamedTuple):
    """What a wrong clock left behind."""

    row: Row[Any]
    state: ServerState
    epochs: EpochRepair | None
    """New numbers of epochs; `state` has them already."""
    repair: Repair | None
    closings: list[Row[Any]]
    """Closed days that no longer count."""


def plan_server_repair(connection: Connection, server: str, actor: str, now_ms: int) -> RepairedServer:
    """Return what a repair would change. Nothing is written. Raises as `repair_server`."""
    return _result(connection, _find(connection, server, now_ms), actor, now_ms, dry=True)


def repair_server(connection: Connection, server: str, actor: str, now_ms: int) -> RepairedServer:
    """Repair the server and return what changed; nothing if nothing is wrong. Raises `UnknownServerError`, and
    `PartsPendingError` while a report of the server is being applied.

    `now_ms` is the true time: what is filed later is moved.
    """
    found = _find(connection, server, now_ms)
    result = _result(connection, found, actor, now_ms, dry=False)
    if not result.needed:
        return result
    for name in (SLOTS_KEPT_FROM, SAMPLES_KEPT_FROM):
        if read_counter(connection, name) > now_ms:
            set_counter(connection, name, slot_of(now_ms))
    limit_closed_until(connection, now_ms)
    if found.epochs is not None:
        _renumber_epochs(connection, found, found.epochs, now_ms)
    if found.repair is not None:
        _move_state(connection, found, found.repair, now_ms)
    void_closings(connection, found.closings, VOID_REASON, actor, now_ms)
    if found.repair is not None:
        _move_rows(connection, server, found.repair, now_ms)
    record_audit(connection, actor, "repair server", now_ms, records=result.rows + len(result.voids), server=server)
    return result


def _find(connection: Connection, server: str, now_ms: int) -> _Findings:
    row = connection.execute(select(servers).where(servers.c.server == server, is_known_server())).first()
    if row is None:
        raise UnknownServerError("no server of that name is part of the estate; nothing was repaired")
    state = state_of_row(row)
    if state.parts_pending:
        raise PartsPendingError(state.parts_pending)
    epochs = plan_epoch_repair(state, _stored_epochs(connection, server))
    if epochs is not None:
        state = epochs.state
    pieces = _newest_pieces(connection, server, now_ms)
    end = repaired_end(state, pieces, now_ms, row.removed_at if row.removed else None)
    ahead = {
        slot
        for table in (slots, slot_connections, stream_slots, samples)
        for slot in connection.execute(
            select(table.c.slot).where(table.c.server == server, table.c.slot >= end).distinct()
        ).scalars()
    }
    oldest = connection.execute(select(func.min(slots.c.slot)).where(slots.c.server == server)).scalar()
    repair = plan_repair(state, pieces, ahead, end, now_ms, oldest)
    after_ms = now_ms if repair is None else min(now_ms, repair.marked_from)
    closings = [
        closing for closing in find_closings(connection, server, after_ms) if is_closed_wrongly(closing, repair, now_ms)
    ]
    return _Findings(row, state, epochs, repair, closings)


def _stored_epochs(connection: Connection, server: str) -> set[int]:
    """Return the epochs of the server's rows."""
    return {
        epoch
        for table in _TABLES_WITH_EPOCHS
        for epoch in connection.execute(select(table.c.epoch).where(table.c.server == server).distinct()).scalars()
    }


def _newest_pieces(connection: Connection, server: str, now_ms: int) -> list[Piece]:
    """Return the newest piece that began before now, those in the minute in which it began, and all later ones."""
    newest = select(func.max(spans.c.from_ms)).where(spans.c.server == server, spans.c.from_ms <= now_ms)
    from_ms = connection.execute(newest).scalar() or 0
    query = select(spans).where(spans.c.server == server, spans.c.to_ms > slot_of(from_ms)).order_by(spans.c.from_ms)
    return [piece_of_row(row) for row in connection.execute(query)]


def _result(connection: Connection, found: _Findings, actor: str, now_ms: int, *, dry: bool) -> RepairedServer:
    server, repair = found.state.server, found.repair
    result = RepairedServer(
        now=now_ms,
        server=server,
        dry=dry,
        needed=bool(repair or found.closings or found.epochs) or _service_is_ahead(connection, now_ms),
        voids=[void_entry(closing, VOID_REASON, actor, now_ms) for closing in found.closings],
    )
    if found.epochs is not None:
        before = max(found.row.issued, found.row.epoch)
        result = msgspec.structs.replace(result, highest_epoch_before=before, highest_epoch=found.state.issued)
    if repair is None:
        return result
    end = repair.relocation.end
    counted = connection.execute(
        select(func.coalesce(func.sum(slot_connections.c.connections), 0)).where(
            slot_connections.c.server == server, slot_connections.c.slot >= end
        )
    ).scalar_one()
    sums = [func.coalesce(func.sum(slots.c[name]), 0).label(name) for name in SLOT_SUM_NAMES]
    moved = connection.execute(
        select(func.count().label("rows"), *sums).where(slots.c.server == server, slots.c.slot >= end)
    ).one()
    of_samples = connection.execute(
        select(func.count()).select_from(samples).where(samples.c.server == server, samples.c.slot >= end)
    ).scalar_one()
    of_sessions = connection.execute(
        select(func.count()).select_from(server_sessions).where(_sessions_ahead(server, end))
    ).scalar_one()
    return msgspec.structs.replace(
        result,
        slots=int(moved.rows),
        samples=int(of_samples),
        sessions=int(of_sessions),
        connections=int(counted),
        **{name: int(getattr(moved, name)) for name in SLOT_SUM_NAMES},
        watermark_before=found.state.watermark,
        watermark=repair.state.watermark,
        partial_from=repair.marked_from,
        partial_to=end,
    )


def _service_is_ahead(connection: Connection, now_ms: int) -> bool:
    """Return whether retention worked by a wrong clock: newer figures would be hidden as if they were discarded."""
    return any(is_ahead(read_counter(connection, name), now_ms) for name in (SLOTS_KEPT_FROM, SAMPLES_KEPT_FROM))


def _renumber_epochs(connection: Connection, found: _Findings, epochs: EpochRepair, now_ms: int) -> None:
    """Write the new numbers. An active epoch that gets one is sealed, so that its journal begins anew."""
    server = found.state.server
    for old, new in epochs.numbers.items():
        for table in _TABLES_WITH_EPOCHS:
            of_epoch = (table.c.server == server, table.c.epoch == old)
            connection.execute(update(table).where(*of_epoch).values(epoch=new))
    state = seal(epochs.state, now_ms) if epochs.ends_active_epoch else epochs.state
    touched = live_sessions(connection, server)
    save_state(connection, state, condition_of_row(found.row))
    refresh_records(connection, touched, now_ms)


def _move_state(connection: Connection, found: _Findings, repair: Repair, now_ms: int) -> None:
    save_state(connection, repair.state, condition_of_row(found.row))
    if found.row.removed and is_ahead(found.row.removed_at, now_ms):
        of_server = servers.c.server == found.state.server
        connection.execute(update(servers).where(of_server).values(removed_at=repair.relocation.end))


def _move_rows(connection: Connection, server: str, repair: Repair, now_ms: int) -> None:
    relocation = repair.relocation
    end = relocation.end
    _move_slots(connection, server, relocation)
    _move_stream_slots(connection, server, relocation)
    streams = _move_samples(connection, server, relocation)
    connection.execute(delete(spans).where(spans.c.server == server, spans.c.to_ms > repair.marked_from))
    write_pieces(connection, server, repair.pieces)
    _move_viewers(connection, server, relocation)
    _move_outages(connection, server, relocation)
    touched = live_sessions(connection, server)
    touched |= move_sessions(connection, server, relocation, now_ms)
    connection.execute(
        update(held)
        .where(held.c.server == server, held.c.to_ms > end)
        .values(to_ms=end, from_ms=case((held.c.from_ms > end, end), else_=held.c.from_ms))
    )
    kept_from = read_counter(connection, SLOTS_KEPT_FROM)
    summed_wrong = max(hour_of(repair.marked_from), kept_from)
    for table in (hours, stream_hours):
        connection.execute(delete(table).where(table.c.server == server, table.c.hour >= summed_wrong))
    forget_days(connection, server, summed_wrong)
    forget_disagreements(connection, server, summed_wrong)
    mark_hours(connection, server, (), [Interval(repair.marked_from, now_ms)], end)
    record_adjustments(connection, server, Interval(repair.marked_from, _AFTER_ALL_DAYS), now_ms)
    _limit_touched(connection, server, now_ms)
    touched |= {key for key in sessions_of(connection, server) if key.stream in streams}
    refresh_records(connection, touched, now_ms, changed_sums=dict.fromkeys(touched, FROM_START))


def _move_slots(connection: Connection, server: str, relocation: Relocation) -> None:
    ahead = and_(slots.c.server == server, slots.c.slot >= relocation.end)
    by_epoch: dict[int, set[int]] = {}
    for row in connection.execute(select(slots.c.epoch, slots.c.slot).where(ahead)):
        by_epoch.setdefault(row.epoch, set()).update((row.slot, relocation.move_slot(row.slot)))
    after = {
        epoch: move_slots(load_epoch_slots(connection, server, epoch, wanted).values(), relocation)
        for epoch, wanted in by_epoch.items()
    }
    connection.execute(delete(slots).where(ahead))
    connection.execute(
        delete(slot_connections).where(slot_connections.c.server == server, slot_connections.c.slot >= relocation.end)
    )
    for epoch, moved in after.items():
        save_slots(connection, server, epoch, list(moved.values()))
    if after:
        set_counter(connection, FIGURES_MOVED, 1)


def _move_stream_slots(connection: Connection, server: str, relocation: Relocation) -> None:
    ahead = and_(stream_slots.c.server == server, stream_slots.c.slot >= relocation.end)
    by_epoch: dict[int, set[int]] = {}
    for row in connection.execute(select(stream_slots.c.epoch, stream_slots.c.slot).where(ahead)):
        by_epoch.setdefault(row.epoch, set()).update((row.slot, relocation.move_slot(row.slot)))
    after = {
        epoch: move_streams(load_epoch_streams(connection, server, epoch, wanted).values(), relocation.move_slot)
        for epoch, wanted in by_epoch.items()
    }
    connection.execute(delete(stream_slots).where(ahead))
    for epoch, moved in after.items():
        save_streams(connection, server, epoch, list(moved.values()))


def _move_samples(connection: Connection, server: str, relocation: Relocation) -> set[bytes]:
    """Move the samples and return their streams."""
    ahead = and_(samples.c.server == server, samples.c.slot >= relocation.end)
    by_stream: dict[bytes, list[SlotSample]] = {}
    for row in connection.execute(select(samples).where(ahead)).all():
        by_stream.setdefault(bytes(row.stream), []).append(_sample(row))
    if not by_stream:
        return set()
    targets = {relocation.move_slot(sample.slot) for of_stream in by_stream.values() for sample in of_stream}
    there = and_(samples.c.server == server, samples.c.slot >= min(targets), samples.c.slot < relocation.end)
    for row in connection.execute(select(samples).where(there)).all():
        if row.slot in targets and bytes(row.stream) in by_stream:
            by_stream[bytes(row.stream)].append(_sample(row))
    connection.execute(delete(samples).where(ahead))
    upsert(
        connection,
        samples,
        [
            {"server": server, "stream": stream} | sample._asdict()
            for stream, of_stream in by_stream.items()
            for sample in move_samples(of_stream, relocation)
        ],
    )
    return set(by_stream)


def _sample(row: Row[Any]) -> SlotSample:
    return SlotSample(*(getattr(row, name) for name in SlotSample._fields))


def _move_viewers(connection: Connection, server: str, relocation: Relocation) -> None:
    before = load_viewers(connection, server)
    after = [move_viewer(viewer, relocation) for viewer in before]
    save_viewers(connection, server, [row for row, old in zip(after, before, strict=True) if row != old], ())


def _move_outages(connection: Connection, server: str, relocation: Relocation) -> None:
    ahead = and_(outages.c.server == server, outages.c.to_ms > relocation.end)
    rows = [
        OutageRow(
            began_at=row.from_ms,
            revision=0,
            phases=_PHASES.decode(row.phases),
            failed_attempts=row.failed_attempts,
            error=row.error,
            left_out=row.left_out,
        )
        for row in connection.execute(select(outages).where(ahead))
    ]
    connection.execute(delete(outages).where(ahead))
    moved = {row.began_at: row for row in (move_outage(outage, relocation) for outage in rows)}
    save_outages(connection, server, list(moved.values()))


def _sessions_ahead(server: str, end: int) -> Any:
    times = (server_sessions.c.start_time, server_sessions.c.end_time)
    return and_(server_sessions.c.server == server, or_(*(time > end for time in times)))


def _limit_touched(connection: Connection, server: str, now_ms: int) -> None:
    """Let the retention of the server's records count from now, where a wrong clock wrote them."""
    keys = sorted(sessions_of(connection, server))
    for start in range(0, len(keys), _BATCH_SIZE):
        batch: Collection[StreamStart] = keys[start : start + _BATCH_SIZE]
        these = tuple_(usage.c.stream, usage.c.start_time).in_(batch)
        connection.execute(update(usage).where(these, usage.c.touched_at > now_ms).values(touched_at=now_ms))

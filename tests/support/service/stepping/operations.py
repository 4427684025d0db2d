"""The operations of the service that write, each as one write that begins in the start state.

Most operations have several variants: reports of several servers, deletes of one session and of all. The locks of each
write are in the function that makes it.
"""

from collections.abc import Callable, Coroutine
from datetime import date
from functools import partial
from typing import Any, NamedTuple, TypeVar

import msgspec
from sqlalchemy import Connection, Table, func, select, update

from streamusage.api.report import EpochRequest, OutageRow, PhaseChange, Report, SourceState
from streamusage.core.coverage import slot_of
from streamusage.core.usage import SessionKey, StreamId
from streamusage.service.accounting.closing import advance_accounting, close_day_by_operator, days_due
from streamusage.service.accounting.hours import find_unsummed
from streamusage.service.ingest.reports import (
    apply_condition_changes,
    apply_next_part,
    find_condition_changes,
    ingest_report,
    issue_epoch,
    locks_of_report,
    locks_of_server,
    record_source_state,
)
from streamusage.service.ingest.server_removal import remove_server
from streamusage.service.retention import Retention, discard_rows
from streamusage.service.rules.parts import split_report
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, raise_counter
from streamusage.service.store.engines.locks import WHOLE_STORE, LockSet
from streamusage.service.store.records import delete_all, delete_session, delete_stream, import_records
from streamusage.service.store.report_parts import encode_part
from streamusage.service.store.schema import lives, samples, spans, stream_key, tombstones, usage
from streamusage.service.store.store import Store, open_store
from tests.support.service.stepping.process import FORMER_HISTORY, Process, Write
from tests.support.service.stepping.start_state import (
    BEGAN,
    DAY,
    DELETED,
    EARLY,
    EDGE_TIMEOUT_MS,
    FORGETTABLE,
    HOUR,
    IMPORTED,
    KEYNOTE,
    LATE_EDGE,
    LONG_AGO,
    MINUTE,
    NEW_EDGE,
    NOW,
    ORIGIN,
    REHEARSAL,
    SECOND,
    SILENT_EDGE,
    TODAY,
    ZONES,
    StartState,
    StoreAgent,
    a_publish,
    a_record,
    a_sample,
    a_slot,
    apply,
)

Result = TypeVar("Result")
Start = Callable[[Process], None]


class Operation(NamedTuple):
    """An operation, and what must happen in the start state before it begins."""

    kind: str
    name: str
    prepare: Callable[[Store, int], Start]
    """Receives the store of its process and the time of the operation, and returns what starts it."""
    follows_failover: bool = False
    """The first write of each process finds another history of the database."""


def operations_of(state: StartState) -> list[Operation]:
    """Return every operation in all variants."""
    return [
        *_reports(state),
        *_closings(),
        *_sums(),
        *_discards(),
        *_removals(),
        *_deletes(),
        *_imports(),
        *_standings(),
        *_epochs(),
        *_lives(),
    ]


def _write(kind: str, name: str, make: Callable[[Store, int], Write]) -> Operation:
    def prepare(store: Store, now_ms: int) -> Start:
        write = make(store, now_ms)
        return lambda process: process.submit(write)

    return Operation(kind, name, prepare)


def _reports(state: StartState) -> list[Operation]:
    origin, silent, late = state.origin, state.silent_edge, state.late_edge
    minute = NOW - NOW % MINUTE
    ordinary = origin.make_report(
        NOW, state.publish(origin, NOW, active=7, total=31), a_slot(minute, 8), a_sample(KEYNOTE, minute, 7)
    )
    anchor = msgspec.structs.replace(
        ordinary, sessions=(*ordinary.sessions, a_publish("e", EARLY, NOW - 2 * MINUTE, NOW))
    )
    large = msgspec.structs.replace(
        ordinary, slots=(*ordinary.slots, a_slot(NOW - 7 * MINUTE, 9), a_slot(NOW - 8 * MINUTE, 10))
    )
    of_edge = late.make_report(
        NOW,
        state.publish(late, NOW, active=5, total=29),
        a_publish("e", EARLY, NOW - 45 * SECOND - MINUTE, NOW, active=3, total=6),
        a_slot(minute, 11),
        a_sample(KEYNOTE, minute, 5),
    )
    after_outage = silent.make_report(
        NOW,
        state.publish(silent, NOW, active=6, total=37),
        a_publish("r", REHEARSAL, BEGAN, BEGAN + 2 * HOUR, live=False, active=0, total=6),
        a_slot(BEGAN, 260),
        a_slot(BEGAN + 5 * MINUTE, 60),
        a_slot(TODAY - 7 * HOUR, 12),
        a_slot(minute - 20 * MINUTE, 13),
        a_sample(KEYNOTE, BEGAN, 9),
        a_sample(KEYNOTE, minute - 20 * MINUTE, 6),
        OutageRow(
            began_at=NOW - 29 * MINUTE, revision=0, failed_attempts=9,
            phases=(PhaseChange("retrying", NOW - 29 * MINUTE), PhaseChange("recovering", NOW)),
        ),
    )  # fmt: skip
    of_new_epoch = StoreAgent(LATE_EDGE, "edge", "j2.1", epoch=2).make_report(
        NOW, a_publish("k2", KEYNOTE, NOW - 30 * SECOND, NOW), a_slot(minute, 14), based_on=state.based_on
    )
    of_new_server = StoreAgent(NEW_EDGE, "edge").make_report(
        NOW, a_publish("k", KEYNOTE, BEGAN + 800, NOW, total=3), a_slot(minute, 15)
    )
    less = msgspec.structs.replace(a_slot(BEGAN, 1), revision=of_edge.upto)
    contradiction = msgspec.structs.replace(of_edge, slots=(less,))
    return [
        _write("report", "of the origin", partial(_ingest, ordinary)),
        _write("report", "of an edge", partial(_ingest, of_edge)),
        _write("report", "of an anchor that an edge's publish joins", partial(_ingest, anchor)),
        _write("report", "after an outage", partial(_ingest, after_outage)),
        _write("report", "of a new epoch", partial(_ingest, of_new_epoch)),
        _write("report", "of a new server", partial(_ingest, of_new_server)),
        _write("report", "that is quarantined", partial(_ingest, contradiction)),
        _write("report", "in parts", partial(_accept_parts, large)),
        _write("report", "of a part", partial(_apply_part, large)),
        _write("report", "of a failing source", _record_failure),
    ]


def _ingest(report: Report, _store: Store, now_ms: int) -> Write:
    return Write(lambda connection: ingest_report(connection, report, b"body", now_ms), locks_of_report(report))


def _accept_parts(report: Report, _store: Store, now_ms: int) -> Write:
    parts = [encode_part(part) for part in split_report(report, now_ms, 3)]
    assert len(parts) > 1
    locks = locks_of_server(report.server)
    return Write(lambda connection: ingest_report(connection, report, b"", now_ms, parts), locks)


def _apply_part(report: Report, store: Store, now_ms: int) -> Write:
    apply(store, _accept_parts(report, store, now_ms).work)
    return Write(lambda connection: apply_next_part(connection, report.server, now_ms), locks_of_server(report.server))


def _record_failure(_store: Store, now_ms: int) -> Write:
    source = SourceState(error="no answer", failing_ms=MINUTE, role="edge")
    return Write(
        lambda connection: record_source_state(connection, SILENT_EDGE, source, now_ms), locks_of_server(SILENT_EDGE)
    )


def _closings() -> list[Operation]:
    yesterday = date(2026, 11, 17)

    def by_operator(server: str | None, _store: Store, now_ms: int) -> Write:
        return Write(
            lambda connection: close_day_by_operator(connection, ZONES, ZONES[0], yesterday, server, "boss", 0, now_ms)
        )

    def by_watermark(store: Store, now_ms: int) -> Write:
        _advance_while(store, now_ms, find_unsummed)
        return _advance(now_ms)

    return [
        _write("close", "by an operator", partial(by_operator, None)),
        _write("close", "of one server", partial(by_operator, SILENT_EDGE)),
        _write("close", "by the watermark", by_watermark),
    ]


def _sums() -> list[Operation]:
    def sum_a_day(store: Store, now_ms: int) -> Write:
        _advance_while(store, now_ms, lambda c: find_unsummed(c) or days_due(c, ZONES, now_ms))
        return _advance(now_ms)

    return [
        _write("hour sum", "of all servers", lambda _store, now_ms: _advance(now_ms)),
        _write("hour sum", "of a UTC day", sum_a_day),
    ]


def _advance(now_ms: int) -> Write:
    return Write(lambda connection: advance_accounting(connection, ZONES, now_ms))


def _advance_while(store: Store, now_ms: int, is_due: Callable[[Connection], Any]) -> None:
    while apply(store, is_due):
        apply(store, _advance(now_ms).work)


def _discards() -> list[Operation]:
    def hide_minutes(_store: Store, now_ms: int) -> Write:
        return Write(lambda connection: raise_counter(connection, SLOTS_KEPT_FROM, slot_of(now_ms - DAY)))

    return [
        _write("retention", "of minutes", hide_minutes),
        _write("retention", "of records", partial(_discard, usage, Retention(1, 400))),
        _write("retention", "of samples", partial(_discard, samples, Retention(1, 400))),
        _write("retention", "of coverage", partial(_discard, spans, Retention(400, 1))),
        _write("retention", "of tombstones", partial(_discard, tombstones, Retention(30, 400))),
    ]


class CaptureError(Exception):
    """Ends a round of retention at the write that is to be stepped."""

    def __init__(self, write: Write) -> None:
        self.write = write


class CapturingAccess:
    """Access to a store for retention, up to the first write that deletes rows of one table. It changes nothing."""

    def __init__(self, store: Store, table: Table) -> None:
        self._store = store
        self._table = table

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        with self._store.reading() as connection:
            return work(connection)

    async def write(self, work: Callable[[Connection], Result], locks: LockSet = WHOLE_STORE) -> Result:
        with self._store.writing() as connection, connection.begin() as transaction:
            before = self._count(connection)
            result = work(connection)
            is_wanted = self._count(connection) < before
            transaction.rollback()
            if is_wanted:
                raise CaptureError(Write(work, locks))
            return result

    def _count(self, connection: Connection) -> int:
        return int(connection.execute(select(func.count()).select_from(self._table)).scalar_one())


def _discard(table: Table, retention: Retention, store: Store, now_ms: int) -> Write:
    round_of_discards = discard_rows(CapturingAccess(store, table), retention, now_ms)
    try:
        _run_without_waiting(round_of_discards)
    except CaptureError as captured:
        return captured.write
    raise AssertionError(f"no row of {table.name} is due")


def _run_without_waiting(work: Coroutine[Any, Any, Any]) -> None:
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("the access to the store does not wait")


def _removals() -> list[Operation]:
    def remove(server: str, force: bool, _store: Store, now_ms: int) -> Write:
        return Write(lambda connection: remove_server(connection, server, "boss", now_ms, force=force))

    return [
        _write("removal", "in order", partial(remove, SILENT_EDGE, False)),
        _write("removal", "by force", partial(remove, SILENT_EDGE, True)),
        _write("removal", "of the origin by force", partial(remove, ORIGIN, True)),
        _write("removal", "of a late edge by force", partial(remove, LATE_EDGE, True)),
    ]


def _deletes() -> list[Operation]:
    def of_streams(*streams: StreamId) -> LockSet:
        return LockSet(streams=frozenset(stream_key(*stream) for stream in streams))

    def of_session(_store: Store, now_ms: int) -> Write:
        key = SessionKey(*KEYNOTE, BEGAN)
        return Write(lambda connection: delete_session(connection, key, "boss", now_ms), of_streams(KEYNOTE))

    def of_stream(_store: Store, now_ms: int) -> Write:
        return Write(lambda connection: delete_stream(connection, IMPORTED, "boss", now_ms), of_streams(IMPORTED))

    def of_all(_store: Store, now_ms: int) -> Write:
        return Write(lambda connection: delete_all(connection, "boss", now_ms))

    return [
        _write("delete", "of a session", of_session),
        _write("delete", "of a stream", of_stream),
        _write("delete", "of all", of_all),
    ]


def _imports() -> list[Operation]:
    kept = [a_record(IMPORTED, BEGAN), a_record(KEYNOTE, BEGAN), a_record(REHEARSAL, BEGAN)]
    returned = [a_record(DELETED, BEGAN), a_record(FORGETTABLE, LONG_AGO)]
    new = [a_record(IMPORTED, BEGAN + HOUR), a_record(KEYNOTE, BEGAN - DAY), a_record(EARLY, NOW - 2 * MINUTE)]

    def make(_store: Store, now_ms: int) -> Write:
        records = [*kept, *returned, *new]
        return Write(lambda connection: import_records(connection, records, "boss", now_ms))

    return [_write("import", "of stored, deleted and new records", make)]


def _standings() -> list[Operation]:
    def make(_store: Store, now_ms: int) -> Write:
        def update_conditions(connection: Connection) -> None:
            changes = find_condition_changes(connection, now_ms, EDGE_TIMEOUT_MS)
            apply_condition_changes(connection, changes, now_ms)

        return Write(update_conditions)

    return [_write("standings", "of all servers", make)]


def _epochs() -> list[Operation]:
    def issue(server: str, _store: Store, now_ms: int) -> Write:
        request = EpochRequest(journal="j9")
        return Write(lambda connection: issue_epoch(connection, server, request, now_ms), locks_of_server(server))

    return [
        _write("epoch", "of the origin", partial(issue, ORIGIN)),
        _write("epoch", "of an edge", partial(issue, LATE_EDGE)),
        _write("epoch", "of a new server", partial(issue, NEW_EDGE)),
    ]


def _lives() -> list[Operation]:
    def start_service(_store: Store, now_ms: int) -> Start:
        return lambda process: process.run_in_thread(lambda: open_store(process.store_url, now_ms).close())

    def fail_over(store: Store, now_ms: int) -> Start:
        apply(store, lambda connection: connection.execute(update(lives).values(history=FORMER_HISTORY)))
        write = Write(lambda _connection: None, LockSet())
        return lambda process: process.submit(write)

    return [
        Operation("life", "of a started service", start_service),
        Operation("life", "after a failover", fail_over, follows_failover=True),
    ]

"""Applies the rules to the store: loads the rows that they need and saves their result, in one transaction."""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, and_, bindparam, func, insert, or_, select, update

from streamusage.api.report import Acknowledgement, EpochIssued, EpochRequest, Refusal, Report, SourceState
from streamusage.core.coverage import LATE_AFTER_INTERVALS, MOST_AHEAD_MS, SLOT_MS, Interval, Provenance
from streamusage.core.text import remove_secrets, shorten_line
from streamusage.service.accounting.disagreements import mark_hours
from streamusage.service.accounting.hours import resum_hours
from streamusage.service.accounting.ledger import record_adjustments
from streamusage.service.accounting.utc_days import resum_days
from streamusage.service.errors import ContradictionError, EpochTooHighError, PartsPendingError
from streamusage.service.ingest.expired_minutes import leave_out_expired, record_left_out
from streamusage.service.ingest.session_maximum import FROM_START, find_changed_sums
from streamusage.service.ingest.sessions import live_sessions, refresh_records, sessions_of, write_sessions
from streamusage.service.rules.apply import (
    AppliedReport,
    ServerState,
    Verdict,
    accept_in_parts,
    apply_part,
    apply_report,
    classify_report,
    covered_of_reporter,
    find_newest_instant,
    hidden_mark,
    may_omit_viewers,
    next_epoch,
    omitted_publishes,
    omitted_viewers,
    was_refused,
)
from streamusage.service.rules.coverage import pieces_since_unread
from streamusage.service.rules.folding import refuse_folded
from streamusage.service.rules.parts import mark_end
from streamusage.service.rules.session_matching import StreamStart
from streamusage.service.store.clock_refusals import forget_clock_refusals, load_refused_upto, save_clock_refusal
from streamusage.service.store.engines.locks import LockSet
from streamusage.service.store.report_parts import decode_part, encode_part, save_parts, take_next_part
from streamusage.service.store.schema import held, servers, stream_key
from streamusage.service.store.server_rows import (
    add_totals,
    load_epoch_slots,
    load_live_publishes,
    load_stored_rows,
    load_viewers,
    save_outages,
    save_pieces,
    save_samples,
    save_slots,
    save_viewers,
)
from streamusage.service.store.server_states import (
    REPORTED_COLUMNS,
    ServerCondition,
    condition_of_row,
    load_reporter,
    load_source_failure,
    load_state,
    save_source_failure,
    save_state,
    state_of_row,
)
from streamusage.service.store.statements import PreparedStatement
from streamusage.service.store.streams.stream_slots import save_streams
from streamusage.service.store.writing.write_group import do_at_end, lock_server, lock_streams

MAX_HELD_REPORTS = 100
MAX_HELD_BYTES = 64 * 1024 * 1024
"""How many reports of one server are quarantined, and their total size; the first is kept whatever its size."""

LARGEST_UNKNOWN_BYTES = 4 * 1024 * 1024
"""The largest report of an unknown form that is quarantined: writing a larger one would delay others for nothing."""

_REFUSED: dict[Verdict, str] = {
    "hole": "report starts at revision {since}, but this service has acknowledged only {acknowledged}; "
    "resend from {acknowledged}",
    "sealed": "the report's epoch {epoch} is sealed, another journal of this server is active; nothing was changed",
    "stale": "epoch {epoch} continues from a state that is no longer the newest; nothing was changed; "
    "request a new epoch",
}

_FROM_THE_FUTURE = (
    "the report covers time up to {seconds} s after the service's time, which is in timestamp; nothing was stored; "
    "correct the clock of the agent's machine, or of the service, and send again"
)

_REFUSED_BEFORE = (
    "the report up to revision {upto} was refused before because it covered time after the service's: its agent dates "
    "these rows again; nothing was stored; send again with the next reading"
)

_OPEN = and_(held.c.server == bindparam("of_server"), held.c.open == 1)
_HELD_REPORTS = PreparedStatement(select(held.c.digest).where(_OPEN, held.c.to_ms > bindparam("watermark")).limit(1))
_CLOSE_HELD = PreparedStatement(
    update(held)
    .where(
        _OPEN,
        or_(
            held.c.to_ms <= bindparam("watermark"),
            and_(held.c.epoch == bindparam("of_epoch"), held.c.upto <= bindparam("most")),
        ),
    )
    .values(open=0)
)
"""Closes quarantined reports of a server whose content a later report delivered."""
_ACCEPTED = PreparedStatement(
    update(servers)
    .where(
        servers.c.server == bindparam("of_server"),
        or_(servers.c.clock_refused_at.is_not(None), servers.c.source_error_since.is_not(None)),
    )
    .values(
        clock_refused_at=None, clock_refused_by_ms=0, source_error="", source_error_since=None, source_error_at=None
    )
)
"""Ends the refusal of a server's reports, and the failure of its source: an agent that still fails reports it again."""


def locks_of_server(server: str) -> LockSet:
    """Return the locks of a write to the rows of a server, but for its sessions."""
    return LockSet(servers=frozenset((server,)))


def locks_of_report(report: Report) -> LockSet:
    """Return the locks with which a report is ingested."""
    streams = {stream_key(row.scope, row.name) for row in report.sessions}
    streams.update(stream_key(row.scope, row.name) for row in report.samples)
    return LockSet(frozenset((report.server,)), frozenset(streams))


def issue_epoch(
    connection: Connection, server: str, request: EpochRequest, now_ms: int
) -> EpochIssued | EpochTooHighError | PartsPendingError:
    """Issue an epoch number, or return why not. This has no effect on which reports are accepted."""
    state, condition = load_state(connection, server)
    if state.parts_pending:  # the viewers at the baseline are not all known
        return PartsPendingError(state.parts_pending)
    try:
        state, issued = next_epoch(state, request, load_viewers(connection, server), now_ms)
    except EpochTooHighError as error:  # not raised: that would roll back the writes of others
        return error
    save_state(connection, state, condition, ("issued",))
    return issued


def record_source_state(connection: Connection, server: str, source: SourceState, now_ms: int) -> None:
    """Record why the agent of a server has no reading. It changes no figure, and no removed server returns by it."""
    state, condition = load_state(connection, server)
    if not state.epoch:
        state = msgspec.structs.replace(state, role=source.role, sync_interval_ms=source.sync_interval_ms)
        save_state(connection, state, condition, ("role", "sync_interval_ms"))
    error = shorten_line(remove_secrets(source.error))
    save_source_failure(connection, server, error, max(0, now_ms - source.failing_ms), now_ms)


def ingest_report(
    connection: Connection, report: Report, body: bytes, now_ms: int, parts: Sequence[bytes] = ()
) -> Acknowledgement | Refusal | PartsPendingError:
    """Apply a report whole, or accept it whole with its encoded `parts`, which `apply_next_part` applies. Return why
    not, if neither. A report that contradicts counted figures is quarantined as `body`.
    """
    state, condition, is_clock_refused = load_reporter(connection, report.server)
    verdict = classify_report(state, report)
    if verdict == "duplicate":
        return _acknowledge(state, now_ms)
    if verdict in ("hole", "sealed", "stale"):
        message = _REFUSED[verdict].format(since=report.since, acknowledged=state.acknowledged, epoch=report.epoch)
        return _refusal(state, verdict, message, now_ms)
    if state.parts_pending:
        return PartsPendingError(state.parts_pending)
    ahead_ms = find_newest_instant(report) - now_ms
    if ahead_ms > MOST_AHEAD_MS:
        if not state.epoch:
            save_state(connection, state, condition, ())  # it may have no row yet
        save_clock_refusal(connection, report, ahead_ms, now_ms)
        return _clock_refusal(state, report, _FROM_THE_FUTURE.format(seconds=-(-ahead_ms // 1000)), now_ms)
    if is_clock_refused and was_refused(report, load_refused_upto(connection, report)):
        return _clock_refusal(state, report, _REFUSED_BEFORE.format(upto=report.upto), now_ms)
    mark = hidden_mark(state, report) if parts else None
    if mark is not None:
        parts = (*parts[:-1], encode_part(mark_end(decode_part(parts[-1]), mark, state.watermark or 0)))
    try:
        counted = leave_out_expired(connection, report, now_ms)
        refuse_folded(counted, state.minutes_kept_from)
        applied = _accept(connection, state, counted, now_ms, len(parts))
    except ContradictionError as error:
        return quarantine_report(
            connection, report.server, body, f"report quarantined for an operator: {error}", now_ms, report
        )
    if not parts:
        record_left_out(connection, report.server, report, counted, now_ms)
    if state.since is None:
        applied = _after_unread_time(connection, applied)
    # A server that reports is reachable, and part of the estate again if it was removed.
    _write(connection, state, condition, applied, ServerCondition(_owes(connection, applied.state, now_ms)), now_ms)
    if is_clock_refused:
        forget_clock_refusals(connection, report.server)
    save_parts(connection, report.server, parts)
    return _acknowledge(applied.state, now_ms)


def _acknowledge(state: ServerState, now_ms: int) -> Acknowledgement:
    return Acknowledgement(epoch=state.epoch, acknowledged=state.acknowledged, now=now_ms, stores_streams=True)


def _clock_refusal(state: ServerState, report: Report, message: str, now_ms: int) -> Refusal:
    refusal = _refusal(state, "clock", message, now_ms)
    return msgspec.structs.replace(refusal, acknowledged_to=covered_of_reporter(state, report))


def _accept(connection: Connection, state: ServerState, report: Report, now_ms: int, parts: int) -> AppliedReport:
    viewers = load_viewers(connection, report.server) if may_omit_viewers(state, report) else ()
    live = load_live_publishes(connection, report.server, report.epoch) if report.lists_viewers is True else ()
    ended = omitted_publishes(report, live)
    if not parts:
        stored_rows = load_stored_rows(connection, report.server, report)._replace(viewers=viewers)
        applied = apply_report(state, report, stored_rows, now_ms)
        return applied._replace(sessions=[*applied.sessions, *ended]) if ended else applied
    stored = (
        load_epoch_slots(connection, report.server, report.epoch, {row.slot for row in report.slots})
        if report.epoch == state.epoch
        else {}
    )
    accepted = accept_in_parts(state, report, parts, stored, now_ms)
    return AppliedReport(accepted, (), (), ended, (), (), omitted_viewers(report, viewers), ())


def apply_next_part(connection: Connection, server: str, now_ms: int) -> int:
    """Apply the next part of the server's accepted report. Return the number of parts that still wait."""
    lock_server(connection, server)
    part = take_next_part(connection, server)
    if part is None:
        return 0
    state, condition_before = load_state(connection, server)
    counted = leave_out_expired(connection, part, now_ms)
    applied = apply_part(state, counted, load_stored_rows(connection, server, counted))
    record_left_out(connection, server, part, counted, now_ms)
    condition = condition_before
    if not condition.removed:
        condition = condition._replace(owes=_owes(connection, applied.state, now_ms))
    _write(connection, state, condition_before, applied, condition, now_ms, part.received_at)
    return applied.state.parts_pending


def quarantine_report(
    connection: Connection, server: str, body: bytes, reason: str, now_ms: int, report: Report | None = None
) -> Refusal:
    """Keep a report for an operator. The same report sent again is kept once.

    The space that one server can fill in this way is limited, as is the size of a report of an unknown form. Beyond
    the limits nothing is lost: the agent keeps what
    was not acknowledged.
    """
    state, _ = load_state(connection, server)
    if report is None and len(body) > LARGEST_UNKNOWN_BYTES:
        reason = f"{reason}; it is too large for the quarantine, so only the agent still has this report"
        return _refusal(state, "held", reason, now_ms)
    same = body if report is None else msgspec.json.encode(msgspec.structs.replace(report, sent_at=0, phase="online"))
    digest = sha256(same).hexdigest()
    again = connection.execute(
        update(held)
        .where(held.c.server == server, held.c.digest == digest)
        .values(times=held.c.times + 1, last_at=now_ms)
    )
    if again.rowcount == 0 and _full(connection, server, len(body)):
        reason = f"{reason}; the quarantine of this server is full, so only the agent still has this report"
    elif again.rowcount == 0:
        to_ms = now_ms if report is None else report.baseline.at
        connection.execute(
            insert(held).values(
                server=server,
                digest=digest,
                received_at=now_ms,
                last_at=now_ms,
                times=1,
                epoch=0 if report is None else report.epoch,
                since=0 if report is None else report.since,
                upto=0 if report is None else report.upto,
                from_ms=to_ms if state.watermark is None else min(state.watermark, to_ms),
                to_ms=to_ms,
                reason=reason,
                body=body,
                open=1,
            )
        )
    return _refusal(state, "held", reason, now_ms)


class ConditionChange(NamedTuple):
    """A server whose condition differs from the stored one."""

    server: str
    condition: ServerCondition


def find_condition_changes(connection: Connection, now_ms: int, edge_timeout_ms: int) -> list[ConditionChange]:
    """Return the servers whose figures became overdue or unreachable, or are so no longer."""
    overdue = servers.c.watermark + LATE_AFTER_INTERVALS * servers.c.sync_interval_ms < now_ms
    silent = servers.c.last_sync_at + edge_timeout_ms < now_ms
    query = (
        select(servers)
        .where(servers.c.removed == "", or_(overdue, servers.c.owes != "", silent, servers.c.unreachable != 0))
        .order_by(servers.c.server)
    )
    changed = []
    for row in connection.execute(query).all():
        state = state_of_row(row)
        unreachable = state.last_sync_at is not None and state.last_sync_at + edge_timeout_ms < now_ms
        condition = ServerCondition(_owes(connection, state, now_ms), unreachable)
        if condition != condition_of_row(row):
            changed.append(ConditionChange(row.server, condition))
    return changed


def apply_condition_changes(connection: Connection, changes: list[ConditionChange], now_ms: int) -> None:
    """Save the conditions and refresh the live sessions of these servers."""
    for server, (owes, unreachable, _) in changes:
        values = {"owes": owes, "unreachable": int(unreachable)}
        connection.execute(update(servers).where(servers.c.server == server).values(values))
        refresh_records(connection, live_sessions(connection, server), now_ms)


def _write(
    connection: Connection,
    before: ServerState,
    condition_before: ServerCondition,
    applied: AppliedReport,
    condition: ServerCondition,
    now_ms: int,
    received_at: int | None = None,
) -> None:
    state = applied.state
    server, epoch = state.server, state.epoch
    # Sessions that the new state changes: a sealed epoch's publishes, and all live ones if the condition changed.
    touched: set[StreamStart] = set()
    if condition_before.removed and not condition.removed:
        touched = sessions_of(connection, server)
    elif epoch != before.epoch or condition != condition_before:
        touched = live_sessions(connection, server)
    save_state(connection, state, condition, REPORTED_COLUMNS)
    _ACCEPTED.run(connection, of_server=server)
    save_slots(connection, server, epoch, applied.slots)
    save_streams(connection, server, epoch, applied.streams)
    add_totals(connection, server, applied.gained)
    save_pieces(connection, server, applied.pieces)
    _update_accounting(connection, before, applied, now_ms)
    _mark_changed_hours(connection, applied)
    lock_streams(connection, {stream_key(sample.row.scope, sample.row.name) for sample in applied.samples})
    save_samples(connection, server, applied.samples)
    save_viewers(connection, server, applied.viewers_open, applied.viewers_closed)
    save_outages(connection, server, applied.outages)
    late_before = (now_ms if received_at is None else received_at) - state.late_after_ms
    written = write_sessions(connection, server, state.role, epoch, applied.sessions, late_before, now_ms)
    changed_sums = find_changed_sums(
        connection, server, (before.watermark, state.watermark), written.touched, applied.samples
    )
    if condition_before.removed and not condition.removed:
        written.recounted.update(touched)
    if received_at is not None:  # a part of a report: its publishes may come after their samples
        written.recounted.update(written.touched)
    changed_sums |= dict.fromkeys(written.recounted, FROM_START)
    touched |= written.touched
    do_at_end(connection, _refresh_touched, _TouchedSessions(touched, changed_sums, now_ms))
    _CLOSE_HELD.run(
        connection, of_server=server, of_epoch=epoch, most=state.acknowledged, watermark=state.watermark or 0
    )


class _TouchedSessions(NamedTuple):
    """Sessions whose records a report may change."""

    keys: set[StreamStart]
    changed_sums: dict[StreamStart, int]
    now_ms: int


def _refresh_touched(connection: Connection, reports: list[_TouchedSessions]) -> None:
    """Refresh the records that several reports touch once, after all of them."""
    changed_sums: dict[StreamStart, int] = {}
    for report in reports:
        for key, slot in report.changed_sums.items():
            changed_sums[key] = min(slot, changed_sums.get(key, slot))
    touched = {key for report in reports for key in (*report.keys, *report.changed_sums)}
    refresh_records(connection, touched, max(report.now_ms for report in reports), changed_sums=changed_sums)


def _after_unread_time(connection: Connection, applied: AppliedReport) -> AppliedReport:
    """Return a server's first report, with the time before it in which its agent could not read it as lost."""
    failure = load_source_failure(connection, applied.state.server)
    if failure is None:
        return applied
    began = failure.since_ms if applied.state.since is None else applied.state.since
    pieces = pieces_since_unread(applied.pieces, began, failure.since_ms)
    since = min(failure.since_ms, began)
    return applied._replace(pieces=pieces, state=msgspec.structs.replace(applied.state, since=since))


def _update_accounting(connection: Connection, before: ServerState, applied: AppliedReport, now_ms: int) -> None:
    """Update hours and closed days if the report changes slots before their end."""
    touched = [stored.row.slot for stored in applied.slots]
    starts = [*touched, *(piece.from_ms for piece in applied.pieces)]
    if not starts or min(starts) >= max(before.summed_to, before.closed_to):
        return
    server = before.server
    resum_hours(connection, server, touched, before.summed_to)
    resum_days(connection, server, touched)
    ends = [*(slot + SLOT_MS for slot in touched), *(piece.to_ms for piece in applied.pieces)]
    record_adjustments(connection, server, Interval(min(starts), max(ends)), now_ms)


def _mark_changed_hours(connection: Connection, applied: AppliedReport) -> None:
    """Mark the hours that are over and that a report changes: their figures are to be compared."""
    slots = [*(stored.row.slot for stored in applied.slots), *(sample.row.slot for sample in applied.samples)]
    spans = [Interval(piece.from_ms, piece.to_ms) for piece in applied.pieces]
    mark_hours(connection, applied.state.server, slots, spans, applied.state.watermark or 0)


def _owes(connection: Connection, state: ServerState, now_ms: int) -> str:
    if state.watermark is None or now_ms - state.watermark <= state.late_after_ms:
        return ""
    held_reports = _HELD_REPORTS.rows(connection, of_server=state.server, watermark=state.watermark)
    return (Provenance.HELD if held_reports else Provenance.MISSING).value


def _full(connection: Connection, server: str, more_bytes: int) -> bool:
    kept = select(func.count(), func.coalesce(func.sum(func.length(held.c.body)), 0))
    count, size = connection.execute(kept.where(held.c.server == server, held.c.open == 1)).one()
    return bool(count and (count >= MAX_HELD_REPORTS or size + more_bytes > MAX_HELD_BYTES))


def _refusal(state: ServerState, verdict: Verdict | str, message: str, now_ms: int) -> Refusal:
    return msgspec.convert(
        {
            "errorMessage": message,
            "timestamp": now_ms,
            "reason": verdict,
            "epoch": state.epoch,
            "acknowledged": state.acknowledged,
        },
        Refusal,
    )

"""Invariants that hold after all faults have ended, whatever happened before."""

from collections import Counter
from collections.abc import Callable
from datetime import date
from operator import le

import msgspec
import pytest

from streamusage.agent.journal.rows import key_of, slot_totals
from streamusage.agent.metering.passage import PAUSED_FROM_MS
from streamusage.api.report import ViewerRow
from streamusage.core.coverage import SLOT_MS, Interval, Provenance, by_slot, slot_of
from streamusage.core.days import day_interval, day_of, zone
from streamusage.core.reasons import RESTARTED, WORKER_REPLACED
from streamusage.service.errors import ContradictionError
from streamusage.service.rules.apply import SampleKey
from streamusage.service.rules.stream_slots import StreamShare, group_by_slot, merge_streams
from tests.faults.clocks.simulation import ClockedSimulation
from tests.faults.simulator import Simulation
from tests.faults.stream_invariants import check_parts, check_streams
from tests.support.detected_mutations import record_detected

ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Auckland")

LOGGED_ERROR_MS = 50
"""How exact the view time of a viewer is whose end is logged to the millisecond."""


class InvariantViolationError(AssertionError):
    """An invariant does not hold. The text names it and the seed."""


def check(simulation: Simulation) -> None:
    """Check all invariants. Raises `InvariantViolationError` for the first that does not hold."""
    try:
        _check_conserved(simulation)
        check_streams(simulation, service_totals(simulation))
        _check_acknowledged(simulation)
        check_replicated(simulation)
        _check_coverage(simulation)
        _check_peaks(simulation)
        _check_samples(simulation)
        _check_days(simulation)
        _check_open_viewers(simulation)
    except AssertionError as error:
        raise InvariantViolationError(f"seed {simulation.seed}: {error}") from None


def check_clocked(simulation: ClockedSimulation) -> None:
    """Check what holds whatever the clocks did: each unit counts once, and all time has a state.

    In which minute units are filed is not checked: that is what clocks decide.
    """
    try:
        _check_totals(simulation)
        check_parts(simulation)
        _check_acknowledged(simulation)
        check_replicated(simulation)
        _check_states(simulation)
        _check_open_viewers(simulation)
    except AssertionError as error:
        raise InvariantViolationError(f"seed {simulation.seed}: {error}") from None


def _check_totals(simulation: ClockedSimulation) -> None:
    truth, service = simulation.server.truth, service_totals(simulation)
    # A page tells a start to within the time of its answer; a log line, where it arrives, tells the duration.
    view_time = sum(ended - began for began, ended in truth.views)
    drift_ms = view_time * abs(simulation.drift_ppm) // 1_000_000 + len(truth.views)
    error_ms = simulation.longest_answer_ms * len(truth.views) + (drift_ms if simulation.drift_ppm else 0)
    assert service["connections"] <= len(truth.connections), f"{service}, {len(truth.connections)} connections"
    assert service["bytes_in"] <= truth.bytes_in[-1], f"{service}, {truth.bytes_in[-1]} bytes in"
    assert service["bytes_out"] <= truth.bytes_out[-1], f"{service}, {truth.bytes_out[-1]} bytes out"
    if simulation.viewers.ends == "numbers":
        _check_numbers(simulation, service, view_time + drift_ms)
        return
    # A log line corrects the start that a page showed. Only pages show how long a reboot or a pause was.
    is_logged = simulation.server.keeps_log and not simulation.server.crashes and simulation.journals == 1
    is_logged = is_logged and simulation.boots == 1 and "virtual machine paused" not in simulation.happened()
    is_logged = is_logged and not simulation.viewers.lost
    most_ms = view_time + (drift_ms + LOGGED_ERROR_MS * len(truth.views) if is_logged else error_ms)
    assert service["view_time_ms"] <= most_ms, f"{service}, {view_time} ms"
    if not simulation.server.keeps_log or simulation.server.crashes or simulation.viewers.lost:
        incomplete = {piece.state for piece in simulation.store.pieces} & {Provenance.LOST, Provenance.PARTIAL}
        exact = service["connections"] == len(truth.connections) and service["bytes_out"] == truth.bytes_out[-1]
        assert exact or incomplete or not simulation.server.keeps_log, f"{service} is incomplete without a mark"
        return
    assert service["connections"] == len(truth.connections), f"{service}, {len(truth.connections)} connections"
    if not any(piece.reason in (RESTARTED, WORKER_REPLACED) for piece in simulation.store.pieces):
        # Bytes of a boot that no reading showed are assigned by the time of their log lines, which a clock may hide.
        assert service["bytes_in"] == truth.bytes_in[-1], f"{service}, {truth.bytes_in[-1]} bytes in"
        assert service["bytes_out"] == truth.bytes_out[-1], f"{service}, {truth.bytes_out[-1]} bytes out"
    least_ms = view_time - error_ms - _unnoticed_pauses_ms(simulation)
    assert service["view_time_ms"] >= least_ms, f"{service}, {view_time} ms"


def _unnoticed_pauses_ms(simulation: ClockedSimulation) -> int:
    """Return the view time that short pauses of the virtual machine may take: those within its answer times are noticed
    by log lines only, and not for viewers who began before a new journal.
    """
    if simulation.journals == 1:
        return 0
    pauses = simulation.happened().get("virtual machine paused", 0)
    return pauses * (PAUSED_FROM_MS + 2 * simulation.longest_answer_ms) * len(simulation.server.truth.views)


LONGEST_OVERLAP_MS = 60_000
"""How much a number of viewers may overstate for each who joined: one left and another joined between two readings, of
which the pause is at most this."""


def _check_numbers(simulation: ClockedSimulation, service: dict[str, int], view_time: int) -> None:
    """Check figures from numbers without identities: the server counts joins, and the numbers bound the view time."""
    truth = simulation.server.truth
    most_ms = view_time + LONGEST_OVERLAP_MS * len(truth.connections)
    assert service["view_time_ms"] <= most_ms, f"{service}, {view_time} ms"
    if simulation.server.boots == 1:
        assert service["connections"] == len(truth.connections), f"{service}, {len(truth.connections)} connections"
        assert service["bytes_out"] == truth.bytes_out[-1], f"{service}, {truth.bytes_out[-1]} bytes out"
    assert Provenance.LIVE not in {piece.state for piece in simulation.store.pieces}, "a bounded figure is live"


def _check_open_viewers(simulation: Simulation) -> None:
    """Check that the service has no viewer open who left by the agent's account."""
    with simulation.journal.transaction() as tx:
        known = {viewer.viewer_id for viewer in tx.open_viewers()}
    left = simulation.store.viewers.keys() - known
    assert not left, f"open for ever at the service: {sorted(left)}"


def _check_states(simulation: Simulation) -> None:
    state = simulation.store.state
    position = state.since
    for piece in sorted(simulation.store.pieces):
        assert piece.from_ms == position, f"coverage jumps from {position} to {piece.from_ms}"
        position = piece.to_ms
    assert position == state.watermark
    assert position is not None
    assert abs(position - simulation.now) <= 2 * SLOT_MS, f"coverage ends at {position}, it is {simulation.now}"


def service_totals(simulation: Simulation) -> dict[str, int]:
    rows = [slot.row for slot in simulation.store.slots.values()]
    return {
        "connections": sum(sum(row.connections.values()) for row in rows),
        "bytes_in": sum(row.bytes_in for row in rows),
        "bytes_out": sum(row.bytes_out for row in rows),
        "view_time_ms": sum(row.view_time_ms for row in rows),
    }


def _check_conserved(simulation: Simulation) -> None:
    """Check that service and declared loss sum to the truth, and that only a crashed media server loses anything."""
    truth, service = simulation.server.truth, service_totals(simulation)
    true_totals = {
        "connections": len(truth.connections),
        "bytes_in": truth.bytes_in[-1],
        "bytes_out": truth.bytes_out[-1],
        "view_time_ms": sum(ended - began for began, ended in truth.views),
    }
    lost = [(piece.from_ms, piece.to_ms) for piece in simulation.store.pieces if piece.state is Provenance.LOST]
    if not simulation.server.keeps_log:
        # Without a log, only the counters know bytes: each is counted, or in an interval that is declared lost.
        for metric, direction in (("bytes_in", 0), ("bytes_out", 1)):
            gone = sum(truth.bytes_between(began - 1, ended - 1)[direction] for began, ended in lost)
            assert service[metric] + gone == true_totals[metric], (
                f"{metric}: {service[metric]} counted and {gone} declared lost, of {true_totals[metric]}"
            )
        for metric in ("connections", "view_time_ms"):
            assert service[metric] <= true_totals[metric], f"{metric}: {service[metric]} of {true_totals[metric]}"
        return
    if not simulation.server.crashes:
        assert service == true_totals, f"the service has {service}, the truth is {true_totals}"
        protocols: Counter[str] = Counter()
        for slot in simulation.store.slots.values():
            protocols.update(slot.row.connections)
        assert protocols == Counter(truth.connection_protocols), f"by protocol: {protocols}"
        _check_slots(simulation)
        return
    declared = [
        (piece.from_ms, piece.to_ms)
        for piece in simulation.store.pieces
        if piece.state in (Provenance.LOST, Provenance.PARTIAL)
    ]
    bounds = {
        "connections": sum(truth.connections_between(*interval) for interval in declared),
        "bytes_in": sum(truth.bytes_between(began - 1, ended - 1)[0] for began, ended in declared),
        "bytes_out": sum(truth.bytes_between(began - 1, ended - 1)[1] for began, ended in declared),
        "view_time_ms": sum(truth.view_time_between(*interval) for interval in declared),
    }
    for metric, total in true_totals.items():
        assert service[metric] <= total, f"{metric}: the service counts {service[metric]} of {total}"
        assert service[metric] >= total - bounds[metric], (
            f"{metric}: the service has {service[metric]} of {total}, but only {bounds[metric]} are declared lost"
        )


def _check_slots(simulation: Simulation) -> None:
    """Check that connections and view time are in their true slots. (Bytes are known at readings only.)"""
    truth = simulation.server.truth
    connections, view_time = Counter(map(slot_of, truth.connections)), Counter[int]()
    for began, ended in truth.views:
        for slot, piece in by_slot(Interval(began, ended)):
            view_time[slot] += piece.length_ms
    counted_connections, counted_view_time = Counter[int](), Counter[int]()
    for (_, slot), stored in simulation.store.slots.items():
        counted_connections[slot] += sum(stored.row.connections.values())
        counted_view_time[slot] += stored.row.view_time_ms
    assert counted_connections == connections, f"connections by slot: {counted_connections}, the truth: {connections}"
    assert counted_view_time == view_time, f"view time by slot: {counted_view_time}, the truth: {view_time}"


def _check_acknowledged(simulation: Simulation) -> None:
    """Check that the agent knows that everything is acknowledged."""
    head = simulation.ledger.head if simulation.ledger else None
    assert head is not None
    assert head.counted == head.handed_over, f"counted {head.counted}, acknowledged {head.handed_over}"


def check_replicated(simulation: Simulation) -> None:
    """Check that the service has the journal's rows, field by field, and that the journal keeps no obsolete rows.

    Of a slot that the journal has discarded, its part in the bridge is left, which is no more than the service has.
    """
    ledger = simulation.ledger
    assert ledger is not None
    whole = ledger._head
    ledger._head = msgspec.structs.replace(whole, acknowledged=0)
    report = ledger.report(simulation.now, "online")
    ledger._head = whole
    assert report is not None
    with simulation.journal.transaction() as tx:
        discarded = {row.slot for row in report.slots if row.slot < whole.discarded_to and not tx.get(*key_of(row))}
    for row in report.slots:
        stored = simulation.store.slots.get((report.epoch, row.slot))
        assert stored is not None, f"the service lacks {row}"
        if row.slot in discarded:
            more = msgspec.structs.astuple(slot_totals(stored.row) - slot_totals(row))
            assert min(more) >= 0, f"the bridge has {row}, stored {stored.row}"
            continue
        same = msgspec.structs.replace(stored.row, revision=row.revision) == row
        assert same, f"the journal has {row}, stored {stored.row}"
    for slot, rows in group_by_slot(report.stream_slots).items():
        streams = simulation.store.streams.get((report.epoch, slot))
        assert streams is not None, f"the service lacks the streams of slot {slot}"
        same_streams = merge_streams(None, rows, came_late=False).shares
        kept = tuple(StreamShare(*msgspec.structs.astuple(share)[:7], *(0,) * 4) for share in streams.shares)
        if slot in discarded:
            stored_sums = {(share.scope, share.name): msgspec.structs.astuple(share)[3:7] for share in kept}
            for share in same_streams:
                sums = stored_sums.get((share.scope, share.name), (0,) * 4)
                is_part = all(map(le, msgspec.structs.astuple(share)[3:7], sums))
                assert is_part, f"the bridge has {share}, stored {kept}"
            continue
        assert kept == same_streams, f"the journal has {same_streams}, stored {kept}"
    for session in report.sessions:
        known = simulation.store.sessions.get((report.epoch, session.publish_id))
        assert known is not None, f"the service lacks {session}"
        assert known.total == session.total, f"the journal has {session}, stored {known}"
    for outage in report.outages:
        stored_outage = simulation.store.outages.get(outage.began_at)
        assert stored_outage is not None, f"the service lacks {outage}"
        same = msgspec.structs.replace(stored_outage, revision=outage.revision) == outage
        assert same, f"the journal has {outage}, stored {stored_outage}"
    assert ledger.head.outage is None, f"an outage continues after the faults have ended: {ledger.head.outage}"
    with simulation.journal.transaction() as tx:
        closed = [row for row in tx.changed_since(-1) if isinstance(row, ViewerRow) and not row.open]
    assert not closed, f"{len(closed)} viewers who left are still in the journal"


def _check_coverage(simulation: Simulation) -> None:
    """Check that coverage has no hole or overlap from the start to the last reading, and that nothing is missing."""
    state = simulation.store.state
    position = state.since
    for piece in sorted(simulation.store.pieces):
        assert piece.from_ms == position, f"coverage jumps from {position} to {piece.from_ms}"
        position = piece.to_ms
    assert position == state.watermark == simulation.now, f"{position}, {state.watermark}, {simulation.now}"


def _check_peaks(simulation: Simulation) -> None:
    """Check that every peak is the true bandwidth in the window of the peak."""
    for slot in simulation.store.slots.values():
        for peak, direction in ((slot.row.peak_in, 0), (slot.row.peak_out, 1)):
            if peak is None:
                continue
            moved = simulation.server.truth.bytes_between(peak.at - peak.window_ms, peak.at)[direction]
            assert peak.bps == moved * 8000 // peak.window_ms, f"peak {peak}, but {moved} bytes were moved"


def _check_samples(simulation: Simulation) -> None:
    """Check that the highest of every sample is the most subscribers of its readings."""
    for key, sample in simulation.store.samples.items():
        most = simulation.watching_at_most.get((key.slot, key.name))
        assert most is not None, f"a sample without a reading: {sample.row}"
        assert sample.row.highest <= most, f"{sample.row}, but at most {most} were watching"
    for (slot, name), least in simulation.watching_at_least.items():
        kept = simulation.store.samples.get(SampleKey(slot, "live", name))
        assert kept is not None, f"no sample of {name} at {slot}"
        assert kept.row.highest >= least, f"{kept.row}, but {least} were watching"


def _check_days(simulation: Simulation) -> None:
    """Check that in every zone each slot is in exactly one day, and that the days contain all slots."""
    slots = simulation.store.slots
    for name in ZONES:
        tz = zone(name)
        days: dict[date, int] = {}
        for (_, slot), stored in slots.items():
            day = day_of(slot, tz)
            interval = day_interval(day, tz)
            assert interval.from_ms <= slot < interval.to_ms, f"{name}: slot {slot} is not in {day}"
            days[day] = days.get(day, 0) + stored.row.bytes_out
        assert sum(days.values()) == sum(stored.row.bytes_out for stored in slots.values())


def check_detected(mutation: Callable[[int], Simulation], record_property: Callable[[str, object], None]) -> None:
    """Fail unless a broken rule violates an invariant in one of 3,000 schedules, and record which."""
    for seed in range(3000):
        try:
            check(mutation(seed).run())
        except (AssertionError, ContradictionError, ValueError) as error:
            record_detected(record_property, mutation, seed, error)
            return
    pytest.fail(f"{mutation.__name__} was not detected in 3,000 schedules")

"""Rules of the journal: what a transaction writes, what a report contains, what an acknowledgement means.

The ledger works on any `Journal`: the SQLite file in production, a dictionary with scripted crashes in the simulation.
The additions of a reading and its new baseline are one transaction. Rows are totals with revisions; a report carries
the rows that changed after the revision that the service acknowledged.

A new journal does not know where its predecessor stopped. It counts from its first reading on, and the service sends
it the state to continue from (`EpochIssued`). The *bridge* is the part between that state and the first reading,
computed by the meter itself. It is stored apart from the journal's own rows and merged into reports, so that it can be
recomputed when the service's state has moved, or when a service is restored from an older copy.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from streamusage.agent.journal import outages
from streamusage.agent.journal.acknowledged_marks import mark_acknowledged, newest_mark
from streamusage.agent.journal.dating import Shift, date_spans, dating, remembered, setting_back, undated_offset
from streamusage.agent.journal.folding import drop_oldest_streams, fold_samples, place_row, write_additions
from streamusage.agent.journal.protocol import ConfirmedOffset, Head, Journal, Transaction, UndatedRun
from streamusage.agent.journal.rows import JournalTotals, Row, key_of, merge, rows_of, slot_totals, totals_of
from streamusage.agent.journal.slot_streams import (
    MOST_REPORT_BYTES,
    MOST_REPORT_ROWS,
    SlotStreams,
    select_stream_rows,
)
from streamusage.agent.metering import meter
from streamusage.agent.metering.additions import Additions
from streamusage.agent.metering.counters import inherit_baseline
from streamusage.agent.metering.meter import MeterState
from streamusage.agent.metering.passage import is_newer, offset_of
from streamusage.agent.reading import EndedConnection, Reading
from streamusage.api.report import (
    REPAIRED_LIFE,
    Acknowledgement,
    AgentPhase,
    EpochIssued,
    EpochRequest,
    MachineClock,
    OutageRow,
    Refusal,
    Report,
    Role,
    SampleRow,
    SessionRow,
    SlotRow,
    SpanRow,
    ViewerRow,
)
from streamusage.core.coverage import slot_of
from streamusage.core.reasons import canonical_reason

KEEP_ACKNOWLEDGED_MS = 7 * 24 * 3600 * 1000
"""How long rows are kept after their acknowledgement, by the service's clock, for a service that is restored from an
older copy: also those of an outage that was longer. Those of the newest slot that the service has are kept in any case.
"""

KEEP_SAMPLES_MS = 24 * 3600 * 1000
"""The same for samples, which only trends use."""


LONGEST_WAIT_MS = 2 * 60 * 1000
"""After a correction by up to this, units are filed at the end of coverage until time has caught up with it."""


class _Sent(NamedTuple):
    """What the newest report contained."""

    upto: int
    counted: JournalTotals
    covered_to: int | None


class Ledger:
    """The accounts of one server on the agent's side.

    After an error of the journal call `reload` first: only the journal knows whether it contains the last transaction.
    """

    def __init__(self, journal: Journal, journal_id: str, server: str, role: Role, sync_interval_ms: int) -> None:
        """Load the journal. `journal_id` names a new journal; an existing one keeps its name."""
        self._journal, self._journal_id = journal, journal_id
        self._server, self._role, self._sync_interval_ms = server, role, sync_interval_ms
        self.reload()

    def reload(self) -> None:
        """Load the state from the journal again. Raises `JournalError`."""
        with self._journal.transaction() as tx:
            head = tx.head()
            if head is None:
                head = Head(journal=self._journal_id)
                tx.put_head(head)
            self._viewers = {row.viewer_id: row for row in tx.open_viewers()}
            self._bridge = tuple(tx.bridge(head.life))
        self._head: Head = head
        self._sent = _Sent(head.acknowledged, head.handed_over, head.acknowledged_to)
        self._sent_at: int | None = None

    @property
    def head(self) -> Head:
        """The present head of the journal."""
        return self._head

    @property
    def cursor(self) -> str | None:
        """Position up to which the media server's log is read; `None` before the first reading."""
        return None if self._head.baseline is None else self._head.baseline.cursor

    @property
    def role(self) -> Role:
        """Role of the server."""
        return self._role

    @property
    def sync_interval_ms(self) -> int:
        """Interval of the reports."""
        return self._sync_interval_ms

    @property
    def is_undated(self) -> bool:
        """Whether there are rows whose time of day is not known yet."""
        return bool(self._head.undated)

    def begin_run(self, run: str, elapsed_ms: int, machine_now_ms: int) -> int:
        """Return the offset by which the readings of a run are filed: the confirmed one, or one on the undated scale.

        `elapsed_ms` and `machine_now_ms` are the machine's clocks now. Raises `JournalError`.
        """
        head = self._head
        if head.confirmed is None and not head.undated and head.baseline is not None and head.baseline.run == run:
            # A journal of an earlier version, in the middle of a run.
            baseline = head.baseline
            self._put_head(msgspec.structs.replace(head, confirmed=ConfirmedOffset(run, offset_of(baseline))))
        head = self._head
        if head.confirmed is not None and head.confirmed.run == run and not head.undated:
            return head.confirmed.offset_ms
        offset_ms = undated_offset(head.undated, run, elapsed_ms, machine_now_ms)
        if not head.undated or head.undated[-1].run != run:
            began = UndatedRun(run, offset_ms, elapsed_ms + offset_ms, elapsed_ms + offset_ms)
            self._put_head(msgspec.structs.replace(head, undated=(*head.undated, began)))
        return offset_ms

    def shown_time(self, at_ms: int, machine_offset_ms: int) -> int:
        """Return a filed instant, or the start of a slot, for display: an undated one by the machine's wall clock."""
        runs = [run for run in self._head.undated if slot_of(run.first_ms) <= at_ms]
        return at_ms - runs[-1].offset_ms + machine_offset_ms if runs else at_ms

    def confirm_offset(self, run: str, offset_ms: int) -> None:
        """Date the rows of the present run by the time of day minus the elapsed time, or correct their dates.

        After a correction backward by more than two minutes, what the service does not have is filed again by whole
        minutes. Raises `JournalError`.
        """
        head = self._head
        confirmed = ConfirmedOffset(run, offset_ms)
        with self._journal.transaction() as tx:
            if head.undated:
                shift = dating(head.undated, offset_ms)
                head = self._move_rows(tx, head, shift, remembered(shift, head.baseline))
            elif head.confirmed is not None and head.confirmed.run == run:
                by_ms = offset_ms - head.confirmed.offset_ms
                if by_ms < -LONGEST_WAIT_MS:
                    shift = setting_back(by_ms, head.acknowledged_to or 0)
                    head = self._move_rows(tx, head, shift, Shift([(0, by_ms)]))
            head = msgspec.structs.replace(head, confirmed=confirmed, undated=())
            tx.put_head(head)
            viewers = {row.viewer_id: row for row in tx.open_viewers()}
        self._head, self._viewers = head, viewers

    def _move_rows(self, tx: Transaction, head: Head, shift: Shift, remember: Shift) -> Head:
        """File the unacknowledged rows again. Return the head with its times moved and the newest revision."""
        revision, last, outage = head.revision, head.span, head.outage
        # The service has the starts of viewers on the scale of its baseline, so that all of them move with it.
        known = [viewer for viewer in tx.open_viewers() if viewer.revision <= head.acknowledged]
        changed = list(tx.changed_since(head.acknowledged))
        spans = date_spans([row for row in changed if isinstance(row, SpanRow)], shift, head.undated)
        moves: list[tuple[Row, Row]] = []
        for row in [*changed, *known]:
            moved: Row
            if isinstance(row, SpanRow):
                moved = spans[row.from_ms]
            else:
                moved = place_row(tx, head, (remember if isinstance(row, ViewerRow) else shift).row(row))
            if isinstance(moved, ViewerRow) and row.revision <= head.acknowledged:
                moved = msgspec.structs.replace(moved, is_acknowledged=True)
            if isinstance(moved, SlotStreams) and moved.slot < head.streams_from:
                tx.delete(*key_of(row))  # as when a reading adds to it: its units are not by stream
            elif moved != row:
                moves.append((row, moved))
        for row, _ in moves:  # all of them first: a row may move to where another one was
            tx.delete(*key_of(row))
        for row, moved in moves:
            kind, new_key = key_of(moved)
            present = tx.get(kind, new_key)
            revision += 1
            moved = msgspec.structs.replace(moved if present is None else merge(present, moved), revision=revision)
            tx.put(new_key, moved)
            if isinstance(moved, SpanRow) and row == head.span:
                last = moved
            if isinstance(moved, OutageRow) and row == head.outage:
                outage = moved
        first = tx.first_reading()
        if first is not None:
            tx.put_first_reading(shift.reading(first))
        baseline = None if head.baseline is None else shift.baseline(head.baseline, remember)
        if baseline is not None and last is not None:
            # Marks that would have no length end after the last reading: the next span begins there.
            baseline = msgspec.structs.replace(baseline, at=max(baseline.at, last.to_ms))
        return msgspec.structs.replace(head, revision=revision, span=last, outage=outage, baseline=baseline)

    def record(self, reading: Reading) -> None:
        """Count a reading: write its additions and the new baseline in one transaction. Raises `JournalError`."""
        head = self._head
        with self._journal.transaction() as tx:
            if head.baseline is None:
                tx.put_first_reading(_without_addresses(reading))
                state, additions = meter.start(reading)
                additions = Additions(viewers=additions.viewers)  # the bridge counts what the first reading shows
            else:
                state, additions = meter.step(MeterState(head.baseline, self._viewers), reading)
                if head.lives == 0 and additions.earlier_ms:
                    _correct_first_reading(tx, additions.earlier_ms)
            before = head.baseline
            head = msgspec.structs.replace(
                head, counted=head.counted + totals_of(additions), undated=_extend(head.undated, reading)
            )
            head = write_additions(tx, msgspec.structs.replace(head, baseline=state.baseline), additions)
            if before is not None:
                head = fold_samples(tx, head, before.at, state.baseline.at)
                head = drop_oldest_streams(tx, head, before.at, state.baseline.at)
            tx.put_head(head)
        self._head, self._viewers = head, state.viewers

    def fence(self) -> None:
        """Record that another journal took over. Raises `JournalError`."""
        self._put_head(msgspec.structs.replace(self._head, fenced=True))

    def epoch_request(self, machine: MachineClock | None = None) -> EpochRequest | None:
        """Return the request that must precede the next report; `None` where none is needed."""
        if not self._head.must_ask or self._head.baseline is None:
            return None
        return EpochRequest(journal=self._head.journal, epoch=self._head.epoch, machine=machine)

    def first_reading(self) -> Reading:
        """Return the reading with which this journal began. Raises `LookupError` before it."""
        with self._journal.transaction() as tx:
            reading = tx.first_reading()
        if reading is None:
            raise LookupError("the journal has no reading yet")
        return reading

    def continue_from(self, issued: EpochIssued, ended: tuple[EndedConnection, ...], misses: str = "") -> None:
        """Continue from the state of the service: resume where this journal is active already, else begin a new life.

        `ended` contains the media server's log lines between the service's baseline and the first reading, `misses`
        the reason why they may be incomplete. A state that is newer than the first reading cannot be continued:
        another journal counted the same time, and this one is fenced. So is one after whose epoch another journal
        reported. What is newer is decided by epochs, and by what the readings show, never by the time of day. If the
        service repaired what this journal reported, the journal is emptied and begins anew with the next reading.
        """
        if issued.life.endswith(REPAIRED_LIFE) and self._has_had_life(issued.life.removesuffix(REPAIRED_LIFE)):
            self._begin_anew()
            return
        own_life = self._number_of_own_life(issued.life)
        if own_life is not None:
            self._resume(own_life, issued)
        elif self._is_superseded(issued):
            self.fence()
        else:
            self._begin_life(issued, ended, misses)

    def _is_superseded(self, issued: EpochIssued) -> bool:
        is_repaired = issued.life.endswith(REPAIRED_LIFE)  # a repair has an epoch of its own, without a journal
        own, active = self._head.active_epoch, issued.based_on.epoch
        # A restored store may never have had this journal: no epoch after its own proves anything then.
        is_unknown_there = 0 < issued.previous_epoch < own
        if 0 < own < active and not is_repaired and not is_unknown_there:
            return True
        return issued.baseline is not None and is_newer(issued.baseline, self.first_reading())

    def _number_of_own_life(self, life: str) -> int | None:
        journal, _, number = life.rpartition(".")
        return int(number) if journal == self._head.journal and number.isdigit() else None

    def _has_had_life(self, life: str) -> bool:
        number = self._number_of_own_life(life)
        return number is not None and number <= self._head.lives

    def _begin_anew(self) -> None:
        """Empty the journal: its rows have wrong times, and the service has their units up to its baseline. The bridge
        from there to the next reading counts the rest.
        """
        name, _, generation = self._head.journal.partition("~")
        with self._journal.transaction() as tx:
            tx.clear()
            tx.put_head(Head(journal=f"{name}~{int(generation or 0) + 1}", confirmed=self._head.confirmed))
        self.reload()

    def _resume(self, life: int, issued: EpochIssued) -> None:
        """Resume an earlier life of this journal, which the service has reports of (a late one, after a restore)."""
        with self._journal.transaction() as tx:
            head = msgspec.structs.replace(
                self._head,
                epoch=issued.based_on.epoch,
                life=life,
                based_on=None,
                must_ask=False,
                acknowledged=issued.based_on.revision,
                stores_streams=issued.stores_streams,
                lists_viewers=True,
            )
            bridge = tuple(tx.bridge(life))
            tx.put_head(head)
        self._head, self._bridge = head, bridge

    def _begin_life(self, issued: EpochIssued, ended: tuple[EndedConnection, ...], misses: str) -> None:
        """Attach the journal to a state of the service, with the bridge from there to its first reading."""
        first = self.first_reading()
        reading = msgspec.structs.replace(first, ended=ended, misses=misses or first.misses)
        if issued.baseline is None:
            bridged, additions = meter.start(msgspec.structs.replace(reading, ended=first.ended))
        else:
            bridged, additions = meter.step(
                MeterState(issued.baseline, {viewer.viewer_id: viewer for viewer in issued.viewers}), reading
            )
        baseline, inherited = self._head.baseline, Additions()
        if self._head.lives == 0 and baseline is not None:
            baseline, inherited = inherit_baseline(baseline, bridged.baseline, first.at)
        # Viewers that left unnoticed before the first reading: the log may still contain their end.
        lingering = {
            viewer.viewer_id: viewer
            for viewer in bridged.viewers.values()
            if viewer.counted_to is not None and viewer.viewer_id not in self._viewers
        }
        inherited.viewers.update(lingering)
        with self._journal.transaction() as tx:
            revision = self._head.revision + 1
            bridge = tuple(rows_of(additions, revision))
            head = msgspec.structs.replace(
                self._head,
                epoch=issued.epoch,
                life=self._head.lives + 1,
                lives=self._head.lives + 1,
                based_on=issued.based_on,
                must_ask=False,
                stores_streams=issued.stores_streams,
                acknowledged=0,
                revision=revision,
                baseline=baseline,
            )
            head = msgspec.structs.replace(
                head, counted=head.counted - self._bridge_totals() + totals_of(additions) + totals_of(inherited)
            )
            head = write_additions(tx, head, inherited)
            tx.put_bridge(head.life, bridge)
            tx.put_head(head)
        self._head, self._bridge = head, bridge
        self._viewers = {**self._viewers, **lingering}

    def _bridge_totals(self) -> JournalTotals:
        return sum((slot_totals(row) for row in self._bridge if isinstance(row, SlotRow)), JournalTotals())

    def _put_head(self, head: Head) -> None:
        with self._journal.transaction() as tx:
            tx.put_head(head)
        self._head = head

    def report(self, sent_at: int, phase: AgentPhase, machine: MachineClock | None = None) -> Report | None:
        """Return everything that the service has not acknowledged; `None` where an epoch must be requested first, or
        where the time of day is not known yet.
        """
        head = self._head
        if head.must_ask or head.baseline is None or head.undated:
            return None
        with self._journal.transaction() as tx:
            rows = self._unacknowledged(tx)
            if head.lists_viewers:
                listed = {row.viewer_id for row in rows if isinstance(row, ViewerRow)}
                rows += [row for row in tx.open_viewers() if row.viewer_id not in listed]
        self._journal.record_sent(head.journal, head.revision)
        self._sent, self._sent_at = _Sent(head.revision, head.counted, head.baseline.at), sent_at
        return Report(
            server=self._server,
            role=self._role,
            life=f"{head.journal}.{head.life}",
            epoch=head.epoch,
            since=head.acknowledged,
            upto=head.revision,
            sent_at=sent_at,
            sync_interval_ms=self._sync_interval_ms,
            baseline=head.baseline,
            phase=phase,
            based_on=head.based_on,
            slots=tuple(row for row in rows if isinstance(row, SlotRow)),
            spans=tuple(
                msgspec.structs.replace(row, reason=canonical_reason(row.reason))
                for row in rows
                if isinstance(row, SpanRow)
            ),
            sessions=tuple(row for row in rows if isinstance(row, SessionRow)),
            samples=tuple(row for row in rows if isinstance(row, SampleRow)),
            viewers=tuple(
                msgspec.structs.replace(row, is_acknowledged=False) for row in rows if isinstance(row, ViewerRow)
            ),
            outages=tuple(self._with_recovery(row, sent_at) for row in rows if isinstance(row, OutageRow)),
            machine=machine,
            lists_viewers=head.lists_viewers or UNSET,
            stream_slots=select_stream_rows(rows, MOST_REPORT_ROWS, MOST_REPORT_BYTES) if head.stores_streams else (),
        )

    def _with_recovery(self, outage: OutageRow, sent_at: int) -> OutageRow:
        """Return an outage for a report. The current one is `recovering`: a report that arrives ends it."""
        return outages.begin_recovery(outage, sent_at) if outage == self._head.outage else outage

    def record_failed_sync(self, phase: AgentPhase, error: str, at_ms: int) -> None:
        """Record a failed sync and the agent's present phase. Raises `JournalError`."""
        revision = self._head.revision + 1
        outage = outages.record_failure(self._head.outage, phase, error, at_ms, revision)
        self._put_outage(outage, msgspec.structs.replace(self._head, outage=outage, revision=revision))

    def record_successful_sync(self, at_ms: int) -> None:
        """Record that the service has everything, which ends the current outage. Raises `JournalError`."""
        outage = self._head.outage
        if outage is None:
            return
        revision = self._head.revision + 1
        recovering_at = at_ms if self._sent_at is None else self._sent_at
        self._put_outage(
            outages.end(outage, recovering_at, at_ms, revision),
            msgspec.structs.replace(self._head, outage=None, revision=revision),
        )

    def _put_outage(self, outage: OutageRow, head: Head) -> None:
        with self._journal.transaction() as tx:
            tx.put(key_of(outage)[1], outage)
            tx.put_head(head)
        self._head = head

    def _unacknowledged(self, tx: Transaction) -> list[Row]:
        """Return the rows that changed after the acknowledged revision, each merged with its part of the bridge."""
        acknowledged = self._head.acknowledged
        rows = {key_of(row): row for row in tx.changed_since(acknowledged)}
        marks: list[Row] = []
        for bridged in self._bridge:
            kind, key = key_of(bridged)
            if isinstance(bridged, SpanRow):
                marks += [bridged] if bridged.revision > acknowledged else []  # own spans lie after it
                continue
            own = rows.get((kind, key)) or (tx.get(kind, key) if bridged.revision > acknowledged else None)
            if own is not None:
                rows[kind, key] = merge(bridged, own)
            elif bridged.revision > acknowledged:
                rows[kind, key] = self._close_if_gone(bridged)
        return [*marks, *rows.values()]

    def _close_if_gone(self, bridged: Row) -> Row:
        """Return a row of the bridge; a viewer whose own row was deleted since came and went before it was reported."""
        if not isinstance(bridged, ViewerRow) or bridged.viewer_id in self._viewers:
            return bridged
        return msgspec.structs.replace(bridged, open=False)

    def acknowledge(self, acknowledgement: Acknowledgement, now: int) -> None:
        """Record the revision that the service has. After a restore it may be lower, and rows are sent again.

        It cannot be higher than any revision of this journal, unless the journal is an older copy of itself: then its
        revisions mean other changes than those of the service, and it is fenced. Raises `JournalError`.
        """
        if acknowledgement.epoch != self._head.epoch:
            return
        sent = self._sent
        with self._journal.transaction() as tx:
            has_all = acknowledgement.acknowledged >= sent.upto
            head = msgspec.structs.replace(
                self._head,
                acknowledged=min(acknowledgement.acknowledged, self._head.revision),
                handed_over=sent.counted if has_all else self._totals_acknowledged_at(tx, acknowledgement.acknowledged),
                based_on=None,
                acknowledged_to=sent.covered_to if has_all else self._head.acknowledged_to,
                active_epoch=acknowledgement.epoch,
                lists_viewers=not has_all and self._must_list_viewers(acknowledgement.acknowledged),
                fenced=self._head.fenced or acknowledgement.acknowledged > self._head.revision,
                stores_streams=acknowledgement.stores_streams,
            )
            received_at = acknowledgement.received_at or acknowledgement.now
            marks = mark_acknowledged(head, received_at, received_at - KEEP_ACKNOWLEDGED_MS)
            old = newest_mark(marks, received_at - KEEP_ACKNOWLEDGED_MS)
            # A reading files units from the one before on: its slot is kept until the service has a later one.
            discarded_to = slot_of(min(now - KEEP_ACKNOWLEDGED_MS, old.covered_to))
            head = msgspec.structs.replace(
                head,
                acknowledged_marks=marks,
                discarded_to=max(head.discarded_to, discarded_to),
                streams_from=max(head.streams_from, discarded_to),
            )
            tx.put_head(head)
            tx.prune(None, discarded_to, old.revision)
            tx.prune(ViewerRow, 0, head.acknowledged)  # those who left
            tx.prune(SampleRow, now - KEEP_SAMPLES_MS, head.acknowledged)
        self._head = head

    def _must_list_viewers(self, acknowledged: int) -> bool:
        """Return whether the next report must list all open viewers, by the revision that the service names.

        Where that is not the revision known here, the service lost what it had acknowledged, or an acknowledgement was
        lost. Either way it may have viewers open whose ends are forgotten here.
        """
        return self._head.lists_viewers or acknowledged != self._head.acknowledged

    def _totals_acknowledged_at(self, tx: Transaction, acknowledged: int) -> JournalTotals:
        """Return what a service at an older revision surely has: everything but the slots that changed since."""
        unacknowledged = JournalTotals()
        for row in tx.changed_since(acknowledged):
            if isinstance(row, SlotRow):
                unacknowledged += slot_totals(row)
        return self._head.counted - unacknowledged

    def oldest_unacknowledged_slot(self) -> int | None:
        """Return the start of the oldest slot that the service has not acknowledged; `None` where it has all."""
        acknowledged = self._head.acknowledged
        bridged = [row.slot for row in self._bridge if isinstance(row, SlotRow) and row.revision > acknowledged]
        with self._journal.transaction() as tx:
            own = tx.oldest_slot_since(acknowledged)
        return min(bridged if own is None else [own, *bridged], default=None)

    def count_unacknowledged(self) -> int:
        """Return how many rows the service has not acknowledged."""
        acknowledged = self._head.acknowledged
        bridged = sum(row.revision > acknowledged for row in self._bridge)
        with self._journal.transaction() as tx:
            return bridged + tx.count_since(acknowledged)

    def handle_refusal(self, refusal: Refusal) -> None:
        """Record why a report was not applied. No row is dropped, whatever the reason. Raises `JournalError`.

        A report of the future may follow one whose acknowledgement was lost: what the service has of it must be known
        before rows are dated again. Otherwise they would count twice, where they were and where they are moved to.
        """
        head = self._head
        if refusal.reason == "hole":
            head = msgspec.structs.replace(
                head,
                acknowledged=refusal.acknowledged,
                lists_viewers=self._must_list_viewers(refusal.acknowledged),
            )
        elif refusal.reason == "clock" and refusal.acknowledged_to is not None and refusal.epoch == head.epoch:
            with self._journal.transaction() as tx:
                handed_over = self._totals_acknowledged_at(tx, refusal.acknowledged)
            head = msgspec.structs.replace(
                head,
                acknowledged=min(refusal.acknowledged, head.revision),
                handed_over=handed_over,
                lists_viewers=self._must_list_viewers(refusal.acknowledged),
                based_on=None,
                acknowledged_to=refusal.acknowledged_to,
                active_epoch=refusal.epoch,
                fenced=head.fenced or refusal.acknowledged > head.revision,
            )
        elif refusal.reason in ("stale", "sealed"):
            head = msgspec.structs.replace(head, must_ask=True)
        self._put_head(head)


def _without_addresses(reading: Reading) -> Reading:
    """Return a reading without the addresses and user agents of viewers, which nothing needs later."""
    return msgspec.structs.replace(
        reading,
        viewers=tuple(msgspec.structs.replace(viewer, address="", agent="") for viewer in reading.viewers),
        ended=tuple(msgspec.structs.replace(line, address="", agent="") for line in reading.ended),
    )


def _correct_first_reading(tx: Transaction, earlier_ms: Mapping[str, int]) -> None:
    """Add to the ages of viewers by how much they prove to have begun earlier: the bridge counts up to that reading."""
    first = tx.first_reading()
    if first is not None:
        prefix = f"{first.boot}/"
        viewers = (
            msgspec.structs.replace(viewer, age_ms=viewer.age_ms + earlier_ms.get(prefix + viewer.viewer_id, 0))
            for viewer in first.viewers
        )
        tx.put_first_reading(msgspec.structs.replace(first, viewers=tuple(viewers)))


def _extend(runs: tuple[UndatedRun, ...], reading: Reading) -> tuple[UndatedRun, ...]:
    """Return the undated runs, the last of them up to a reading."""
    if not runs:
        return runs
    return (*runs[:-1], msgspec.structs.replace(runs[-1], last_ms=max(runs[-1].last_ms, reading.at)))

"""The rules of the journal: what one transaction writes, what a report is made of, what an acknowledgement means.

The ledger works on any `Journal`: the SQLite file in production, a dictionary with scripted crashes in the simulation.
A reading's additions and the new baseline are one transaction. Rows are totals with revisions; a report carries those
changed since the revision that the service acknowledged.

A new journal does not know where its predecessor stopped. It counts from its first reading on, and learns from the
service (`EpochIssued`) the state to continue from; the *bridge* is what lies between that state and the first reading,
computed by the meter itself. The bridge is kept apart from the journal's own rows and merged into reports, so that it
can be computed anew when the service's state turns out to have moved, or a service comes back from an older copy.
"""

import msgspec

from streamusage.agent.journal import outages
from streamusage.agent.journal.folding import fold_samples, write
from streamusage.agent.journal.protocol import Head, Journal, Transaction
from streamusage.agent.journal.rows import JournalTotals, Row, key_of, merge, rows_of, slot_totals, totals_of
from streamusage.agent.metering import meter
from streamusage.agent.metering.additions import Additions
from streamusage.agent.metering.counters import inherit_baseline
from streamusage.agent.metering.meter import MeterState
from streamusage.agent.reading import EndedConnection, Reading
from streamusage.api.report import (
    Acknowledgement,
    AgentPhase,
    Based,
    EpochIssued,
    EpochRequest,
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
from streamusage.core.reasons import canonical_reason

KEEP_ACKNOWLEDGED_MS = 7 * 24 * 3600 * 1000
"""Acknowledged rows are kept this long, for a service that is restored from an older copy."""

KEEP_SAMPLES_MS = 24 * 3600 * 1000
"""The same for samples, which only trends are drawn from."""


class Ledger:
    """One server's accounts on the agent's side.

    After an error of the journal, `reload` before going on: whether the last transaction is in it, only it can tell.
    """

    def __init__(self, journal: Journal, journal_id: str, server: str, role: Role, sync_interval_ms: int) -> None:
        """`journal_id` names the journal if it is a new one; an old one keeps its name."""
        self._journal, self._journal_id = journal, journal_id
        self._server, self._role, self._sync_interval_ms = server, role, sync_interval_ms
        self.reload()

    def reload(self) -> None:
        """Takes everything from the journal again."""
        with self._journal.transaction() as tx:
            head = tx.head()
            if head is None:
                head = Head(journal=self._journal_id)
                tx.put_head(head)
            self._viewers = {row.viewer_id: row for row in tx.open_viewers()}
            self._bridge = tuple(tx.bridge(head.life))
        self._head: Head = head
        self._sent = (head.acknowledged, head.handed_over)
        self._sent_at: int | None = None

    @property
    def head(self) -> Head:
        """The journal's head as it is now."""
        return self._head

    @property
    def cursor(self) -> str | None:
        """How far the media server's log is read; `None` before the first reading."""
        return None if self._head.baseline is None else self._head.baseline.cursor

    def record(self, reading: Reading) -> None:
        """Counts a reading: its additions and the new baseline in one transaction."""
        head = self._head
        with self._journal.transaction() as tx:
            if head.baseline is None:
                tx.put_first_reading(reading)
                state, additions = meter.start(reading)
                additions = Additions(viewers=additions.viewers)  # what was there at first is the bridge's to count
            else:
                state, additions = meter.step(MeterState(head.baseline, self._viewers), reading)
            before = head.baseline
            head = msgspec.structs.replace(head, counted=head.counted + totals_of(additions))
            head = write(tx, msgspec.structs.replace(head, baseline=state.baseline), additions)
            if before is not None:
                head = fold_samples(tx, head, before.at, state.baseline.at)
            tx.put_head(head)
        self._head, self._viewers = head, state.viewers

    def epoch_request(self) -> EpochRequest | None:
        """What to ask the service before a report can be sent; `None` where nothing need be asked."""
        if not self._head.must_ask or self._head.baseline is None:
            return None
        return EpochRequest(journal=self._head.journal, epoch=self._head.epoch)

    def first_reading(self) -> Reading:
        """The reading that this journal began with. Raises `LookupError` before there is one."""
        with self._journal.transaction() as tx:
            reading = tx.first_reading()
        if reading is None:
            raise LookupError("the journal has no reading yet")
        return reading

    def continue_from(self, issued: EpochIssued, ended: tuple[EndedConnection, ...], misses: str = "") -> None:
        """Takes the service's answer: resumes where this journal is active already, else begins a new life.

        `ended` is what the media server's log holds between the service's baseline and the first reading, `misses` why
        that may not be all. A state that is newer than the first reading cannot be continued: another journal counted
        the same time, and this one is fenced.
        """
        own_life = self._own_life(issued.life)
        if own_life is not None:
            self._resume(own_life, issued.based_on)
        elif issued.baseline is not None and issued.baseline.at > self.first_reading().at:
            self._put_head(msgspec.structs.replace(self._head, fenced=True))
        else:
            self._begin_life(issued, ended, misses)

    def _own_life(self, life: str) -> int | None:
        journal, _, number = life.rpartition(".")
        return int(number) if journal == self._head.journal and number.isdigit() else None

    def _resume(self, life: int, based_on: Based) -> None:
        """The service has reports of an earlier life of this journal (a late one, after a restore): goes on there."""
        with self._journal.transaction() as tx:
            head = msgspec.structs.replace(
                self._head,
                epoch=based_on.epoch,
                life=life,
                based_on=None,
                must_ask=False,
                acknowledged=based_on.revision,
            )
            bridge = tuple(tx.bridge(life))
            tx.put_head(head)
        self._head, self._bridge = head, bridge

    def _begin_life(self, issued: EpochIssued, ended: tuple[EndedConnection, ...], misses: str) -> None:
        """Puts the journal on a state of the service, with the bridge from there to its first reading."""
        first = self.first_reading()
        reading = msgspec.structs.replace(first, ended=ended, misses=misses or first.misses)
        if issued.baseline is None:
            bridged, additions = meter.start(reading)
        else:
            bridged, additions = meter.step(
                MeterState(issued.baseline, {viewer.viewer_id: viewer for viewer in issued.viewers}), reading
            )
        baseline, inherited = self._head.baseline, Additions()
        if self._head.lives == 0 and baseline is not None:
            baseline, inherited = inherit_baseline(baseline, bridged.baseline)
        # Viewers that left unseen before the first reading: the log may still tell when.
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
                acknowledged=0,
                revision=revision,
                baseline=baseline,
            )
            head = msgspec.structs.replace(
                head, counted=head.counted - self._bridge_totals() + totals_of(additions) + totals_of(inherited)
            )
            head = write(tx, head, inherited)
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

    def report(self, sent_at: int, phase: AgentPhase) -> Report | None:
        """Everything that the service has not acknowledged; `None` where an epoch must be asked for first."""
        head = self._head
        if head.must_ask or head.baseline is None:
            return None
        with self._journal.transaction() as tx:
            rows = self._unacknowledged(tx)
        self._sent, self._sent_at = (head.revision, head.counted), sent_at
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
            viewers=tuple(row for row in rows if isinstance(row, ViewerRow)),
            outages=tuple(self._as_it_ends(row, sent_at) for row in rows if isinstance(row, OutageRow)),
        )

    def _as_it_ends(self, outage: OutageRow, sent_at: int) -> OutageRow:
        """The outage as a report tells it: where this is the one that goes on, the report that gets through ends it."""
        return outages.recovering(outage, sent_at) if outage == self._head.outage else outage

    def sync_up_failed(self, phase: AgentPhase, error: str, at_ms: int) -> None:
        """Takes note of a sync-up that failed, and of the phase that the agent is in now."""
        revision = self._head.revision + 1
        outage = outages.failed(self._head.outage, phase, error, at_ms, revision)
        self._put_outage(outage, msgspec.structs.replace(self._head, outage=outage, revision=revision))

    def sync_up_succeeded(self, at_ms: int) -> None:
        """Takes note that the service has everything; it ends the outage, where there is one."""
        outage = self._head.outage
        if outage is None:
            return
        revision = self._head.revision + 1
        recovering_at = at_ms if self._sent_at is None else self._sent_at
        self._put_outage(
            outages.ended(outage, recovering_at, at_ms, revision),
            msgspec.structs.replace(self._head, outage=None, revision=revision),
        )

    def _put_outage(self, outage: OutageRow, head: Head) -> None:
        with self._journal.transaction() as tx:
            tx.put(key_of(outage)[1], outage)
            tx.put_head(head)
        self._head = head

    def _unacknowledged(self, tx: Transaction) -> list[Row]:
        """The rows changed since the acknowledged revision, each together with its part of the bridge."""
        acknowledged = self._head.acknowledged
        rows = {key_of(row): row for row in tx.changed_since(acknowledged)}
        for bridged in self._bridge:
            kind, key = key_of(bridged)
            own = rows.get((kind, key)) or (tx.get(kind, key) if bridged.revision > acknowledged else None)
            if own is not None:
                rows[kind, key] = merge(bridged, own)
            elif bridged.revision > acknowledged:
                rows[kind, key] = bridged
        return list(rows.values())

    def acknowledge(self, acknowledgement: Acknowledgement, now: int) -> None:
        """Takes note of what the service has. It may be less than before: a restored service gets it again.

        It cannot be more than this journal ever gave out, unless the journal is an older copy of itself: its
        revisions name other changes than the service's then, and it is fenced.
        """
        if acknowledgement.epoch != self._head.epoch:
            return
        sent_upto, sent = self._sent
        with self._journal.transaction() as tx:
            has_all = acknowledgement.acknowledged >= sent_upto
            head = msgspec.structs.replace(
                self._head,
                acknowledged=min(acknowledgement.acknowledged, self._head.revision),
                handed_over=sent if has_all else self._surely_handed_over(tx, acknowledgement.acknowledged),
                based_on=None,
                fenced=self._head.fenced or acknowledgement.acknowledged > self._head.revision,
            )
            tx.put_head(head)
            tx.prune(None, now - KEEP_ACKNOWLEDGED_MS, head.acknowledged)
            tx.prune(SampleRow, now - KEEP_SAMPLES_MS, head.acknowledged)
        self._head = head

    def _surely_handed_over(self, tx: Transaction, acknowledged: int) -> JournalTotals:
        """What a service certainly has that is back at an older revision: all but the slots that changed since."""
        owed = JournalTotals()
        for row in tx.changed_since(acknowledged):
            if isinstance(row, SlotRow):
                owed += slot_totals(row)
        return self._head.counted - owed

    def oldest_owed_ms(self) -> int | None:
        """The beginning of the oldest slot that the service has not acknowledged; `None` where it has all."""
        acknowledged = self._head.acknowledged
        bridged = [row.slot for row in self._bridge if isinstance(row, SlotRow) and row.revision > acknowledged]
        with self._journal.transaction() as tx:
            own = tx.oldest_slot_since(acknowledged)
        return min(bridged if own is None else [own, *bridged], default=None)

    def refused(self, refusal: Refusal) -> None:
        """Takes note of why a report was not applied. No row is dropped, whatever the reason."""
        head = self._head
        if refusal.reason == "hole":
            head = msgspec.structs.replace(head, acknowledged=refusal.acknowledged)
        elif refusal.reason in ("stale", "sealed"):
            head = msgspec.structs.replace(head, must_ask=True)
        self._put_head(head)

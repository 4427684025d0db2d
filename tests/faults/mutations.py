"""Mutations: each breaks one rule of the protocol on purpose. The simulation must detect every one of them."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import msgspec

from streamusage.agent.journal import rows as agent_rows
from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.metering import meter
from streamusage.agent.reading import Reading
from streamusage.api.report import Acknowledgement, EpochRequest, Peak, Refusal, Report
from streamusage.service.rules import apply as rules
from tests.faults.memory import MemoryJournal, SimulatedCrashError, Store
from tests.faults.simulator import Message, Reply, Simulation


class AcknowledgesBeforeCommit(Simulation):
    """The service stores and sends the acknowledgement before it commits the rows: a crash in between loses them.

    (An early reply alone does no harm: the next report would leave a hole, and is refused.)
    """

    def serve(self, message: Message) -> Reply:
        store = self.store.copy()
        reply = self.handle(store, message)
        if self.chance.happens("crash between acknowledgement and commit", 0.1):
            self.store.state = store.state
        else:
            self.store = store
        return reply


class WritesBaselineApart(Simulation):
    """The agent writes the additions and the new baseline in two transactions."""

    def record(self, ledger: Ledger, reading: Reading) -> None:
        before = ledger.head
        if before.baseline is not None and self.chance.happens("crash between baseline and additions", 0.1):
            state, _ = meter.step(meter.MeterState(before.baseline, dict(ledger._viewers)), reading)
            with self.journal.transaction() as tx:
                tx.put_head(msgspec.structs.replace(before, baseline=state.baseline))
            raise SimulatedCrashError("between baseline and additions")
        super().record(ledger, reading)


class NewEpochOnTimeout(Simulation):
    """The agent begins a new epoch after a lost reply, without requesting the service's state."""

    def timed_out(self, ledger: Ledger) -> None:
        head = ledger.head
        if head.epoch and not head.must_ask:
            ledger._put_head(
                msgspec.structs.replace(
                    head,
                    epoch=head.epoch + 1,
                    life=head.lives + 1,
                    lives=head.lives + 1,
                    acknowledged=0,
                    based_on=self.store.state.based,
                )
            )


class AppliesReportsAgain(Simulation):
    """The service adds the totals of a row at each arrival, instead of the difference from the stored row."""

    def handle(self, store: Store, message: Message) -> Reply:
        if not isinstance(message, Report) or rules.classify_report(store.state, message) != "duplicate":
            return super().handle(store, message)
        for row in message.slots:
            old = store.slots.get((message.epoch, row.slot))
            if old is not None:
                more = msgspec.structs.replace(old.row, bytes_out=old.row.bytes_out + row.bytes_out)
                store.slots[message.epoch, row.slot] = old._replace(row=more)
        return super().handle(store, message)


class AcceptsHoles(Simulation):
    """The service accepts a report that starts beyond the acknowledged revision."""

    def handle(self, store: Store, message: Message) -> Reply:
        if isinstance(message, Report) and rules.classify_report(store.state, message) == "hole":
            message = msgspec.structs.replace(message, since=store.state.acknowledged)
        return super().handle(store, message)


class AcceptsStaleActivation(Simulation):
    """The service activates a new epoch although its state has changed since the epoch was issued."""

    def handle(self, store: Store, message: Message) -> Reply:
        if isinstance(message, Report) and rules.classify_report(store.state, message) == "stale" and message.based_on:
            message = msgspec.structs.replace(message, based_on=store.state.based)
        return super().handle(store, message)


class ActivatesOnIssue(Simulation):
    """Epochs in one step: a request seals the older epoch, so that a late request of a dead agent fences a live one."""

    def handle(self, store: Store, message: Message) -> Reply:
        reply = super().handle(store, message)
        if isinstance(message, EpochRequest):
            store.state = msgspec.structs.replace(
                store.state, epoch=store.state.issued, life=f"{message.journal}.1", acknowledged=0
            )
        return reply


class ForgetsBridge(Simulation):
    """A new journal starts at its own first reading and ignores where its predecessor stopped."""

    def make_ledger(self) -> Ledger:
        ledger = super().make_ledger()
        begin_life = ledger._begin_life
        ledger._begin_life = lambda issued, ended, misses: begin_life(  # type: ignore[method-assign]
            msgspec.structs.replace(issued, baseline=None, viewers=()), ended, misses
        )
        return ledger


class ForgetsOpenViewers(Simulation):
    """The service does not send a new journal the viewers that are already counted."""

    def handle(self, store: Store, message: Message) -> Reply:
        if isinstance(message, EpochRequest):
            store.viewers.clear()
        return super().handle(store, message)


class KeepsAcknowledgedRevision(Simulation):
    """The agent never lowers its acknowledged revision: a restored service never receives the rows again."""

    def make_ledger(self) -> Ledger:
        ledger = super().make_ledger()
        handle_refusal, acknowledge = ledger.handle_refusal, ledger.acknowledge

        def ignore_holes(refusal: Refusal) -> None:
            if refusal.reason != "hole":
                handle_refusal(refusal)

        def keep_highest(acknowledgement: Acknowledgement, now: int) -> None:
            highest = max(acknowledgement.acknowledged, ledger.head.acknowledged)
            acknowledge(msgspec.structs.replace(acknowledgement, acknowledged=highest), now)

        ledger.handle_refusal, ledger.acknowledge = ignore_holes, keep_highest  # type: ignore[method-assign]
        return ledger


class LeavesLifeOut(Simulation):
    """Reports have no life: after a restore, two states of one journal are taken for the same."""

    def handle(self, store: Store, message: Message) -> Reply:
        if isinstance(message, Report):
            message = msgspec.structs.replace(message, life=store.state.life or message.life)
        return super().handle(store, message)


class DropsRowsOfLongOutage(Simulation):
    """The agent sends only the newest rows of a long outage, and drops the rest because of a size limit."""

    def make_ledger(self) -> Ledger:
        ledger = super().make_ledger()
        build_report = ledger.report

        def build_short_report(*arguments: Any) -> Report | None:
            report = build_report(*arguments)
            return report and msgspec.structs.replace(report, slots=report.slots[-3:])

        ledger.report = build_short_report  # type: ignore[method-assign]
        return ledger


class SplitsReports(Simulation):
    """A long report is sent in two parts, with the baseline in the first: the second may never arrive."""

    def handle(self, store: Store, message: Message) -> Reply:
        if isinstance(message, Report) and len(message.slots) > 1 and self.chance.happens("second part lost", 0.2):
            message = msgspec.structs.replace(message, slots=message.slots[:-1])
        return super().handle(store, message)


class ContinuesOlderJournal(Simulation):
    """The agent continues a journal that lost commits whose rows it had sent."""

    def continues_with(self, journal: MemoryJournal, commits: int) -> bool:
        journal.lose_commits(commits)
        return True


class CoversBeforeRows(Simulation):
    """The service claims the coverage of a report when it accepts it, before the parts with its figures are applied."""

    def accept_in_parts(self, store: Store, report: Report) -> None:
        super().accept_in_parts(store, report)
        ends = [store.state.watermark or 0, *(span.to_ms for span in report.spans)]
        store.state = msgspec.structs.replace(store.state, watermark=max(ends))
        store.check_covered()


class CoversByParts(Simulation):
    """Each part covers all of the report's time, not only the time whose figures have been applied."""

    def accept_in_parts(self, store: Store, report: Report) -> None:
        super().accept_in_parts(store, report)
        store.parts = tuple(
            msgspec.structs.replace(part, covers_to=None, spans=report.spans if number == 0 else ())
            for number, part in enumerate(store.parts)
        )


class LosesPartsInCrash(Simulation):
    """The service keeps the parts of an accepted report in memory only."""

    def serve(self, message: Message) -> Reply:
        try:
            return super().serve(message)
        except SimulatedCrashError:
            if self.store.parts:
                state = msgspec.structs.replace(self.store.state, parts_pending=0)
                self.store.parts, self.store.whole, self.store.state = (), None, state
            raise


class IssuesEpochsBetweenParts(Simulation):
    """The service issues an epoch although it has not applied all viewers of an accepted report."""

    def handle(self, store: Store, message: Message) -> Reply:
        if isinstance(message, EpochRequest) and store.parts:
            store.state, issued = rules.next_epoch(store.state, message, list(store.viewers.values()), self.now)
            return issued
        return super().handle(store, message)


def _sum_of_peaks(first: Peak | None, second: Peak | None) -> Peak | None:
    if first is None or second is None:
        return first or second
    return Peak(first.bps + second.bps, max(first.at, second.at), max(first.window_ms, second.window_ms))


class AddsPeaks(Simulation):
    """Peaks are added instead of compared."""

    def run(self) -> Simulation:
        with patch.object(agent_rows, "higher_peak", _sum_of_peaks), patch.object(rules, "higher_peak", _sum_of_peaks):
            return super().run()


class SubtractsOverRestart(Simulation):
    """The meter computes a difference over a restart of the counters, and drops a negative one."""

    def run(self) -> Simulation:
        def count_bytes(self: Any) -> None:
            self._add_bytes(
                meter.Interval(self.before.at, self.at),
                max(0, self.reading.bytes_in - self.before.bytes_in),
                max(0, self.reading.bytes_out - self.before.bytes_out),
            )

        with patch.object(meter._Step, "_count_bytes", count_bytes):
            return super().run()


class HidesLoss(Simulation):
    """The meter covers a restart as if nothing could be lost."""

    def run(self) -> Simulation:
        def cover(self: Any) -> None:
            if self.at > self.before.at:
                self.additions.spans.append(meter.SpanAddition(self.before.at, self.at, "counted"))

        with patch.object(meter._Step, "_cover", cover):
            return super().run()


class CountsViewersEachReading(Simulation):
    """The meter forgets the counted viewers when the agent restarts."""

    def make_ledger(self) -> Ledger:
        ledger = super().make_ledger()
        ledger._viewers = {}
        return ledger


class RoundsShares(Simulation):
    """Bytes that are distributed over slots are rounded one by one, so that the shares do not add up."""

    def run(self) -> Simulation:
        def spread(total: int, interval: meter.Interval) -> Any:
            pieces = list(meter.by_slot(interval))
            if not pieces:
                yield meter.slot_of(interval.from_ms), total
            for slot, piece in pieces:
                yield slot, total * piece.length_ms // interval.length_ms

        with patch.object(meter, "spread", spread):
            return super().run()


class CountsAtReading(Simulation):
    """The meter counts a connection in the slot of the reading that shows it, not in that of its start."""

    def run(self) -> Simulation:
        def count_connection(self: Any, protocol: str, started_at: int, stream: Any, number: int = 1) -> None:
            self.additions.slot(meter.slot_of(self.at)).connections[protocol] += number
            self.connections += number

        with patch.object(meter._Step, "_count_connection", count_connection):
            return super().run()


class FilesViewTimeAtReading(Simulation):
    """The meter files view time in the slot of the reading, not in the slots in which it passed."""

    def run(self) -> Simulation:
        def add_view_time(self: Any, stream: Any, from_ms: int, to_ms: int, viewers: int = 1) -> None:
            self.additions.slot(meter.slot_of(self.at)).view_time_ms += max(0, to_ms - from_ms) * viewers

        with patch.object(meter._Step, "_add_view_time", add_view_time):
            return super().run()


MUTATIONS: tuple[Callable[[int], Simulation], ...] = (
    AcknowledgesBeforeCommit,
    WritesBaselineApart,
    NewEpochOnTimeout,
    AppliesReportsAgain,
    AcceptsHoles,
    AcceptsStaleActivation,
    ActivatesOnIssue,
    ForgetsBridge,
    ForgetsOpenViewers,
    KeepsAcknowledgedRevision,
    LeavesLifeOut,
    DropsRowsOfLongOutage,
    SplitsReports,
    ContinuesOlderJournal,
    CoversBeforeRows,
    CoversByParts,
    LosesPartsInCrash,
    IssuesEpochsBetweenParts,
    AddsPeaks,
    SubtractsOverRestart,
    HidesLoss,
    CountsViewersEachReading,
    RoundsShares,
    CountsAtReading,
    FilesViewTimeAtReading,
)

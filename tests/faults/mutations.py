"""Rules of the protocol, broken one at a time on purpose. The simulation must notice every one of them."""

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
from tests.faults.memory import Crash, Store
from tests.faults.simulator import Message, Reply, Simulation


class AcknowledgesBeforeCommit(Simulation):
    """The service notes and sends what it has before the rows are committed: a crash in between loses them.

    (A reply alone that is sent too early does no harm: the next report would leave a hole, and is refused.)
    """

    def serve(self, message: Message) -> Reply:
        store = self.store.copy()
        reply = self.answer(store, message)
        if self.chance.of("crash between acknowledgement and commit", 0.1):
            self.store.state = store.state
        else:
            self.store = store
        return reply


class WritesBaselineApart(Simulation):
    """The agent writes the additions and the new baseline in two transactions."""

    def record(self, ledger: Ledger, reading: Reading) -> None:
        before = ledger.head
        if before.baseline is not None and self.chance.of("crash between baseline and additions", 0.1):
            state, _ = meter.step(meter.MeterState(before.baseline, dict(ledger._viewers)), reading)
            with self.journal.transaction() as tx:
                tx.put_head(msgspec.structs.replace(before, baseline=state.baseline))
            raise Crash("between baseline and additions")
        super().record(ledger, reading)


class NewEpochOnTimeout(Simulation):
    """The agent takes a lost reply for a reason to begin a new epoch, without asking what the service has."""

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
    """The service adds a row's totals each time it sees them, instead of the difference to what it has."""

    def answer(self, store: Store, message: Message) -> Reply:
        if not isinstance(message, Report) or rules.classify_report(store.state, message) != "duplicate":
            return super().answer(store, message)
        for row in message.slots:
            old = store.slots.get((message.epoch, row.slot))
            if old is not None:
                more = msgspec.structs.replace(old.row, bytes_out=old.row.bytes_out + row.bytes_out)
                store.slots[message.epoch, row.slot] = old._replace(row=more)
        return super().answer(store, message)


class AcceptsHoles(Simulation):
    """The service takes a report that speaks since more than it has."""

    def answer(self, store: Store, message: Message) -> Reply:
        if isinstance(message, Report) and rules.classify_report(store.state, message) == "hole":
            message = msgspec.structs.replace(message, since=store.state.acknowledged)
        return super().answer(store, message)


class AcceptsStaleActivation(Simulation):
    """The service activates a new epoch although its state has moved since it was issued."""

    def answer(self, store: Store, message: Message) -> Reply:
        if isinstance(message, Report) and rules.classify_report(store.state, message) == "stale" and message.based_on:
            message = msgspec.structs.replace(message, based_on=store.state.based)
        return super().answer(store, message)


class ActivatesOnIssue(Simulation):
    """Epochs in one step: asking for one seals the older, so that a dead agent's late request fences the live one."""

    def answer(self, store: Store, message: Message) -> Reply:
        reply = super().answer(store, message)
        if isinstance(message, EpochRequest):
            store.state = msgspec.structs.replace(
                store.state, epoch=store.state.issued, life=f"{message.journal}.1", acknowledged=0
            )
        return reply


class ForgetsBridge(Simulation):
    """A new journal goes on from its own first reading, whatever its predecessor counted up to."""

    def make_ledger(self) -> Ledger:
        ledger = super().make_ledger()
        whole = ledger._begin_life
        ledger._begin_life = lambda issued, ended, misses: whole(  # type: ignore[method-assign]
            msgspec.structs.replace(issued, baseline=None, viewers=()), ended, misses
        )
        return ledger


class ForgetsOpenViewers(Simulation):
    """The service does not tell a new journal which viewers are counted already."""

    def answer(self, store: Store, message: Message) -> Reply:
        if isinstance(message, EpochRequest):
            store.viewers.clear()
        return super().answer(store, message)


class KeepsAcknowledgedRevision(Simulation):
    """The agent never believes that the service has less than before: a restored service stays behind."""

    def make_ledger(self) -> Ledger:
        ledger = super().make_ledger()
        refused, acknowledge = ledger.refused, ledger.acknowledge

        def never_back(refusal: Refusal) -> None:
            if refusal.reason != "hole":
                refused(refusal)

        def never_less(acknowledgement: Acknowledgement, now: int) -> None:
            most = max(acknowledgement.acknowledged, ledger.head.acknowledged)
            acknowledge(msgspec.structs.replace(acknowledgement, acknowledged=most), now)

        ledger.refused, ledger.acknowledge = never_back, never_less  # type: ignore[method-assign]
        return ledger


class LeavesLifeOut(Simulation):
    """Reports carry no life: after a restore, two states of one journal are taken for the same."""

    def answer(self, store: Store, message: Message) -> Reply:
        if isinstance(message, Report):
            message = msgspec.structs.replace(message, life=store.state.life or message.life)
        return super().answer(store, message)


class DropsRowsOfLongOutage(Simulation):
    """The agent sends only the newest rows of a long backlog, and drops the rest for a size limit."""

    def make_ledger(self) -> Ledger:
        ledger = super().make_ledger()
        whole = ledger.report

        def cut(*arguments: Any) -> Report | None:
            report = whole(*arguments)
            return report and msgspec.structs.replace(report, slots=report.slots[-3:])

        ledger.report = cut  # type: ignore[method-assign]
        return ledger


class CutsReports(Simulation):
    """A long report comes in two parts with the baseline in the first: the second may never come."""

    def answer(self, store: Store, message: Message) -> Reply:
        if isinstance(message, Report) and len(message.slots) > 1 and self.chance.of("second part lost", 0.2):
            message = msgspec.structs.replace(message, slots=message.slots[:-1])
        return super().answer(store, message)


def _added(one: Peak | None, other: Peak | None) -> Peak | None:
    if one is None or other is None:
        return one or other
    return Peak(one.bps + other.bps, max(one.at, other.at), max(one.window_ms, other.window_ms))


class AddsPeaks(Simulation):
    """Peaks are added up instead of compared."""

    def run(self) -> Simulation:
        with patch.object(agent_rows, "larger", _added), patch.object(rules, "larger", _added):
            return super().run()


class SubtractsOverRestart(Simulation):
    """The meter takes counters that began again for a difference, and drops what is below zero."""

    def run(self) -> Simulation:
        def blind(self: Any) -> None:
            self._add_bytes(
                meter.Interval(self.before.at, self.at),
                max(0, self.reading.bytes_in - self.before.bytes_in),
                max(0, self.reading.bytes_out - self.before.bytes_out),
            )

        with patch.object(meter._Step, "_count_bytes", blind):
            return super().run()


class HidesLoss(Simulation):
    """The meter covers a restart as if nothing could have been lost."""

    def run(self) -> Simulation:
        def bold(self: Any) -> None:
            if self.at > self.before.at:
                self.additions.spans.append(meter.Span(self.before.at, self.at, "counted"))

        with patch.object(meter._Step, "_cover", bold):
            return super().run()


class CountsViewersEachReading(Simulation):
    """The meter forgets who is counted already after the agent was restarted."""

    def make_ledger(self) -> Ledger:
        ledger = super().make_ledger()
        ledger._viewers = {}
        return ledger


class RoundsShares(Simulation):
    """Bytes that are spread over slots are rounded one by one, so that the shares do not add up."""

    def run(self) -> Simulation:
        def rounded(total: int, interval: meter.Interval) -> Any:
            pieces = list(meter.by_slot(interval))
            if not pieces:
                yield meter.slot_of(interval.from_ms), total
            for slot, piece in pieces:
                yield slot, total * piece.length_ms // interval.length_ms

        with patch.object(meter, "spread", rounded):
            return super().run()


class CountsAtReading(Simulation):
    """The meter counts a connection in the slot of the reading that tells of it, not in that of its start."""

    def run(self) -> Simulation:
        def late(self: Any, protocol: str, started_at: int, number: int = 1) -> None:
            self.additions.slot(meter.slot_of(self.at)).connections[protocol] += number
            self.connections += number

        with patch.object(meter._Step, "_count_connection", late):
            return super().run()


class FilesViewTimeAtReading(Simulation):
    """The meter files the time that somebody watched in the slot in which it hears of it."""

    def run(self) -> Simulation:
        def late(self: Any, from_ms: int, to_ms: int, viewers: int = 1) -> None:
            self.additions.slot(meter.slot_of(self.at)).view_time_ms += max(0, to_ms - from_ms) * viewers

        with patch.object(meter._Step, "_add_view_time", late):
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
    CutsReports,
    AddsPeaks,
    SubtractsOverRestart,
    HidesLoss,
    CountsViewersEachReading,
    RoundsShares,
    CountsAtReading,
    FilesViewTimeAtReading,
)

"""Simulation of media server, agent, network and service: one seed is one history, with faults at every step.

The agent's ledger and meter and the service's rules are those of the product; the simulator controls time, disk,
network and randomness.
"""

from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.reading import Reading
from streamusage.api.report import Acknowledgement, EpochIssued, EpochRequest, Refusal, Report
from streamusage.core.coverage import slot_of
from streamusage.service.rules import apply as rules
from streamusage.service.rules.parts import mark_end, split_report
from tests.faults.media_server import CountsBy, MediaServer
from tests.faults.memory import SERVER, Chance, MemoryJournal, SimulatedCrashError, Store

STREAMS = ("stage-1", "stage-2")
SYNC_INTERVAL_MS = 10_000
MIDNIGHT = 20_000 * 86_400_000


Message = EpochRequest | Report
Reply = EpochIssued | Acknowledgement | Refusal | None
"""`None` while the service applies the parts of an earlier report."""


def _counts_by(seed: int, keeps_log: bool) -> CountsBy:
    """Return what has a byte counter. Without a log the last bytes of a connection's counter would be unknown."""
    by_connection: CountsBy = "connection" if keeps_log else "stream"
    return Random(f"counts by {seed}").choice(("server", "server and streams", "stream", by_connection))


class Simulation:
    """Runs one schedule. The rules that a mutation may break are methods, so that each can be broken alone."""

    PARTS_CHANCE = 0.3
    """How often a report is accepted in parts."""
    LOST_COMMITS_WEIGHT = 1.0
    """How often the log of the journal is damaged, as a weight among the steps."""

    def __init__(self, seed: int, steps: int = 60) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.steps = steps
        self.now = MIDNIGHT - self.random.randrange(600_000)
        self.chance = Chance(self.random, self.random.choice((0.0, 0.02, 0.1)))
        self.media_server_crashes = self.random.random() < 0.4
        keeps_log = self.random.random() < 0.8
        self.server = MediaServer(self.random, self.now, keeps_log, _counts_by(seed, keeps_log))
        self.store = Store()
        self.backups: list[Store] = []
        self.journals = 0
        self.journal = self.new_journal()
        self.ledger: Ledger | None = None
        self.late_messages: list[Message] = []
        self.restores = 0
        self.watching_at_least: dict[tuple[int, str], int] = {}
        """Most subscribers of a stream in a slot, over the readings that the present journal surely contains."""
        self.watching_at_most: dict[tuple[int, str], int] = {}
        """The same over all attempted readings."""

    # Methods that a mutation may replace.

    def new_journal(self) -> MemoryJournal:
        self.journals += 1
        return MemoryJournal(self.chance)

    def make_ledger(self) -> Ledger:
        return Ledger(self.journal, f"journal-{self.journals}", SERVER, "edge", SYNC_INTERVAL_MS)

    def record(self, ledger: Ledger, reading: Reading) -> None:
        ledger.record(reading)

    def serve(self, message: Message) -> Reply:
        """Handle a message at the service: one transaction, then the reply. A crash at the commit loses the reply."""
        store = self.store.copy()
        reply = self.handle(store, message)
        self.chance.crash("of the service before its commit")
        before = self.store.state.watermark
        assert before is None or (store.state.watermark or 0) >= before, "the watermark moved back"
        self.store = store
        self.chance.crash("of the service after its commit")
        return reply

    def handle(self, store: Store, message: Message) -> Reply:
        if isinstance(message, EpochRequest):
            if store.parts:
                return None
            store.state, issued = rules.next_epoch(store.state, message, list(store.viewers.values()), self.now)
            return issued
        verdict = rules.classify_report(store.state, message)
        if verdict == "apply":
            if store.parts:
                return None
            if self.chance.happens("report accepted in parts", self.PARTS_CHANCE):
                self.accept_in_parts(store, message)
            else:
                store.write(rules.apply_report(store.state, message, store.stored_for(message), self.now))
        if verdict in ("apply", "duplicate"):
            return Acknowledgement(
                epoch=store.state.epoch, acknowledged=store.state.acknowledged, now=self.now, stores_streams=True
            )
        return Refusal(
            error_message="",
            timestamp=self.now,
            reason=verdict,
            epoch=store.state.epoch,
            acknowledged=store.state.acknowledged,
        )

    def accept_in_parts(self, store: Store, report: Report) -> None:
        """Accept a report whose rows are applied later, in one transaction."""
        store.whole = store.copy()
        stored = store.stored_for(report)
        store.whole.write(rules.apply_report(store.state, report, stored, self.now))
        store.covered_before = store.state.watermark or 0
        *parts, last = split_report(report, self.now, 2)
        mark = rules.hidden_mark(store.state, report)
        store.parts = (*parts, last if mark is None else mark_end(last, mark, store.covered_before))
        store.state = rules.accept_in_parts(store.state, report, len(store.parts), stored.slots, self.now)
        for viewer_id in rules.omitted_viewers(report, stored.viewers):
            store.viewers.pop(viewer_id, None)
        store.check_covered()

    def apply_next_part(self) -> bool:
        """Apply a part in a transaction of its own, where one is pending. Return whether more are."""
        store = self.store.copy()
        if store.parts:
            store.apply_next_part()
            self.chance.crash("of the service before a part's commit")
            self.store = store
            self.chance.crash("of the service after a part's commit")
        return bool(store.parts)

    def timed_out(self, ledger: Ledger) -> None:
        """React to a missing reply, at the agent: do nothing."""

    # The schedule.

    def happened(self) -> dict[str, int]:
        """Return how often each kind of fault happened in this schedule."""
        return {
            **self.chance.happened,
            **({"service restored from an older copy": self.restores} if self.restores else {}),
            **({"media server crashed": len(self.server.crashes)} if self.server.crashes else {}),
            **({"media server restarted in order": quits} if (quits := self.server.quits) else {}),
            **({"midnight": 1} if self.now >= MIDNIGHT else {}),
        }

    def run(self) -> "Simulation":
        self._read()
        self._sync()
        self._sync()
        self.backups.append(self.store.copy())
        self.chance.on = True
        for _ in range(self.steps):
            self._pass_time()
            self._step()
        self._heal()
        return self

    def _step(self) -> None:
        step = self.random.choices(
            (
                self._connect,
                self._disconnect,
                self._move_bytes,
                self._read_or_crash,
                self._sync_or_crash,
                self._restart_media_server,
                self._destroy_journal,
                self._back_up,
                self._restore,
                self._deliver_late,
                self._apply_next_part,
                self._lose_commits,
            ),
            (14, 8, 16, 26, 18, 2, 1.5, 2, 1, 3, 12 if self.PARTS_CHANCE else 0, self.LOST_COMMITS_WEIGHT),
        )[0]
        step()

    def _pass_time(self) -> None:
        self.now += self.random.choice((1, 40, 900, 5_000, 12_000, 70_000))

    def _connect(self) -> None:
        self.server.connect(self.now, self.random.choice(("publish", "play", "play", "play")), self._stream())

    def _stream(self) -> str:
        return self.random.choice(STREAMS)

    def _disconnect(self) -> None:
        if self.server.open:
            self.server.disconnect(self.now, self.random.choice(list(self.server.open)))

    def _move_bytes(self) -> None:
        self.server.move_bytes(self.now)

    def _restart_media_server(self) -> None:
        died_at = self.now
        self.now += self.random.choice((1, 500, 90_000))
        if self.media_server_crashes and self.random.random() < 0.6:
            self.server.crash(died_at, self.now)
        else:
            self.server.quit(died_at, self.now)

    def _destroy_journal(self) -> None:
        self.ledger = None
        self.journal = self.new_journal()
        self.watching_at_least.clear()
        self.chance.happened["journal destroyed"] = self.chance.happened.get("journal destroyed", 0) + 1

    def _lose_commits(self) -> None:
        """The agent dies, and the log of its journal is damaged."""
        older = getattr(self.journal, "older", ())
        if not older:
            return
        self.ledger = None
        self.watching_at_least.clear()
        if self.continues_with(self.journal, self.random.randint(1, len(older))):
            self.chance.happened["older journal continued"] = self.chance.happened.get("older journal continued", 0) + 1
        else:
            self.chance.happened["older journal replaced"] = self.chance.happened.get("older journal replaced", 0) + 1
            self.journal = self.new_journal()

    def continues_with(self, journal: MemoryJournal, commits: int) -> bool:
        """Let a journal lose its newest commits. Return whether the agent continues with it."""
        return journal.lose_commits(commits)

    def _back_up(self) -> None:
        self.backups.append(self.store.copy())

    def _restore(self) -> None:
        self.restores += 1
        self.store = self.random.choice(self.backups[-3:]).copy()

    def _deliver_late(self) -> None:
        if self.late_messages:
            message = self.late_messages.pop(self.random.randrange(len(self.late_messages)))
            self._send(message)

    def _apply_next_part(self) -> None:
        with suppress(SimulatedCrashError):
            self.apply_next_part()

    def _apply_parts(self) -> None:
        while self.apply_next_part():
            pass

    def _read_or_crash(self) -> None:
        self._run_agent_step(self._read)

    def _sync_or_crash(self) -> None:
        self._run_agent_step(self._sync)

    def _run_agent_step(self, step: Any) -> None:
        """Run a step of the agent. A crash loses the agent's memory, not its journal."""
        try:
            step()
        except SimulatedCrashError:
            self.ledger = None

    def _agent(self) -> Ledger:
        if self.ledger is None:
            self.ledger = self.make_ledger()
        return self.ledger

    def _read(self) -> None:
        ledger = self._agent()
        reading = self.server.read(self.now, ledger.cursor)
        self.chance.crash("of the agent between reading and journal")
        watching = Counter(viewer.name for viewer in reading.viewers)
        for name in watching.keys() | {publish.name for publish in reading.publishes}:
            key = slot_of(reading.at), name
            self.watching_at_most[key] = max(self.watching_at_most.get(key, 0), watching[name])
        self.record(ledger, reading)
        for name in watching:
            key = slot_of(reading.at), name
            self.watching_at_least[key] = max(self.watching_at_least.get(key, 0), watching[name])

    def _sync(self) -> None:
        ledger = self._agent()
        if ledger.head.baseline is None:
            return
        request = ledger.epoch_request()
        if request is not None:
            issued = self._exchange(ledger, request)
            if isinstance(issued, EpochIssued):
                first = ledger.first_reading()
                after = issued.baseline.cursor if issued.baseline else first.cursor
                ledger.continue_from(issued, self.server.ended_between(after, first.cursor))
                assert not ledger.head.fenced, "the live agent was fenced"
            else:
                ledger.record_failed_sync("retrying", "no reply", self.now)
            return
        report = ledger.report(self.now, "online")
        assert report is not None
        reply = self._exchange(ledger, report)
        if isinstance(reply, Acknowledgement):
            ledger.acknowledge(reply, self.now)
            ledger.record_successful_sync(self.now)
        elif isinstance(reply, Refusal):
            ledger.handle_refusal(reply)
        else:
            ledger.record_failed_sync("retrying", "no reply", self.now)

    def _exchange(self, ledger: Ledger, message: Message) -> Reply | None:
        """Send a message over a network that loses, repeats and delays. Return the reply, or `None` without one."""
        self.chance.crash("of the agent before sending")
        if self.chance.happens("request lost", 0.08):
            self.timed_out(ledger)
            return None
        if self.chance.happens("request delayed", 0.05):
            self.late_messages.append(message)
            self.timed_out(ledger)
            return None
        reply = self._send(message)
        if self.chance.happens("request repeated", 0.08):
            reply = self._send(message)
        if self.chance.happens("request repeated much later", 0.08):
            self.late_messages.append(message)
        self.chance.crash("of the agent before the reply")
        if reply is None or self.chance.happens("reply lost", 0.1):
            self.timed_out(ledger)
            return None
        return reply

    def _send(self, message: Message) -> Reply | None:
        try:
            return self.serve(message)
        except SimulatedCrashError:
            return None

    def _heal(self) -> None:
        """End all faults: viewers leave, the agent reads and syncs. Delayed messages still arrive."""
        self.chance.on = False
        self.now += 1_000
        self.server.move_bytes(self.now)
        self.now += 1
        for number in list(self.server.open):
            self.server.disconnect(self.now, number)
        self.now += 1
        self._read()
        self._apply_parts()
        while self.late_messages:
            self._deliver_late()
        for _ in range(6):
            self._sync()
        assert self._agent().head.acknowledged == self._agent().head.revision, (
            "the service has not acknowledged everything"
        )

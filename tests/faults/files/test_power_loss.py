"""Power failures at any write of the journal: afterwards it has every ended transaction, and no partial one."""

import gc
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import apsw
import pytest

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.protocol import Head
from streamusage.agent.journal.sqlite import Ballast, DamagedJournalError, JournalError, SqliteJournal
from streamusage.api.report import Acknowledgement, Based, EpochIssued
from tests.faults.files.power import Disk, ForgetfulVfs, PowerFailureError
from tests.faults.media_server import MediaServer

IMAGES = int(os.environ.get("STREAMTOP_POWER_IMAGES", "2000"))
BLOCK = 250
PATH = Path("/journal.db")
_names = itertools.count()


@contextmanager
def journal_on(disk: Disk, synchronous: str = "full") -> Iterator[SqliteJournal]:
    name = f"forgetful-{next(_names)}"
    vfs = ForgetfulVfs(name, disk)
    try:
        journal = SqliteJournal(PATH, synchronous=synchronous, vfs=name)  # type: ignore[arg-type]
        try:
            yield journal
        finally:
            with suppress(apsw.Error, PowerFailureError):
                journal.close()
    finally:
        del vfs
        gc.collect(0)


class SimulatedAgent:
    """An agent with its journal on a disk: readings, acknowledgements, and the last durable head."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.now = 1_000_000_000
        self.server = MediaServer(random, self.now)
        self.kept: Head | None = None

    def run(self, journal: SqliteJournal, steps: int, *, continues: bool = False) -> None:
        """Run steps. Where it `continues`, a failed transaction makes it reload the ledger instead of ending it."""
        ledger = Ledger(journal, "journal-1", "edge-1", "edge", 10_000)
        self.kept = ledger.head
        for _ in range(steps):
            try:
                self._step(ledger)
            except JournalError:
                if not continues:
                    raise
                ledger.reload()
            self.kept = ledger.head

    def _step(self, ledger: Ledger) -> None:
        self.now += self.random.choice((40, 900, 30_000))
        choice = self.random.randrange(4)
        if choice == 0:
            self.server.connect(self.now, self.random.choice(("publish", "play")), "stage-1")
        elif choice == 1 and self.server.open:
            self.server.disconnect(self.now, self.random.choice(list(self.server.open)))
        else:
            self.server.move_bytes(self.now)
        ledger.record(self.server.read(self.now, ledger.cursor))
        self.kept = ledger.head
        if ledger.head.must_ask:
            ledger.continue_from(EpochIssued(epoch=1, based_on=Based(0, 0), now=self.now), ())
        elif self.random.random() < 0.3:
            acknowledgement = Acknowledgement(epoch=1, acknowledged=ledger.head.revision, now=self.now)
            ledger.acknowledge(acknowledgement, self.now)

    def count_minutes(self, ledger: Ledger, minutes: int) -> None:
        for _ in range(minutes):
            self.now += 60_000
            ledger.record(self.server.read(self.now, ledger.cursor))


def describe_loss(kept: Head, found: Head) -> str:
    """Return what the journal lost of the durable state; empty if nothing."""
    if found.revision < kept.revision or found.acknowledged < kept.acknowledged:
        return f"kept revision {kept.revision}, found {found.revision}"
    return ""


def run_until_power_fails(seed: int, synchronous: str) -> str:
    """Run one history up to a power failure. Return what the journal lost, or an empty text.

    Raises where the journal cannot be used afterwards.
    """
    random = Random(seed)
    disk = Disk()
    agent = SimulatedAgent(random)
    disk.power_fails_at = random.randrange(30, 400)
    with pytest.raises((PowerFailureError, JournalError)), journal_on(disk, synchronous) as journal:
        agent.run(journal, 1_000)
    if agent.kept is None:
        return ""
    found_disk = disk.after_power_failure(random)
    with journal_on(found_disk) as journal:
        journal.check()
        ledger = Ledger(journal, "journal-2", "edge-1", "edge", 10_000)
        problem = describe_loss(agent.kept, ledger.head)
        if not problem:
            check_conserved(agent, ledger)
    return problem


def check_conserved(agent: SimulatedAgent, ledger: Ledger) -> None:
    """Check that the next reading brings the rows to the media server's own figures, to the unit."""
    agent.now += 1_000
    for number in list(agent.server.open):
        agent.server.disconnect(agent.now, number)
    ledger.record(agent.server.read(agent.now + 1, ledger.cursor))
    if ledger.head.must_ask:
        ledger.continue_from(EpochIssued(epoch=1, based_on=Based(0, 0), now=agent.now), ())
    ledger._head = ledger._head.__class__(
        **{name: getattr(ledger._head, name) for name in ledger._head.__struct_fields__} | {"acknowledged": 0}
    )
    report = ledger.report(agent.now, "online")
    assert report is not None
    truth = agent.server.truth
    first = ledger.first_reading()
    assert sum(slot.bytes_out for slot in report.slots) == truth.bytes_out[-1] - first.bytes_out
    assert sum(slot.bytes_in for slot in report.slots) == truth.bytes_in[-1] - first.bytes_in


@pytest.mark.parametrize("first", range(0, IMAGES, BLOCK))
def test_power_failure_loses_no_ended_transaction(first: int) -> None:
    for seed in range(first, first + BLOCK):
        problem = run_until_power_fails(seed, "full")
        assert not problem, f"image {seed}: {problem}"


def test_check_fails_when_commits_are_not_synced() -> None:
    """Prove that the check detects a loss."""
    problems = []
    for seed in range(60):
        try:
            problems.append(run_until_power_fails(seed, "normal"))
        except (DamagedJournalError, JournalError) as error:
            problems.append(str(error))
    assert any(problems)


@pytest.mark.parametrize("continues", [False, True], ids=["restarted", "continues"])
@pytest.mark.parametrize("error", [apsw.IOError, apsw.FullError], ids=["EIO", "ENOSPC"])
def test_failure_of_any_single_io_call_loses_nothing(error: type[apsw.Error], continues: bool) -> None:
    """For every k the k-th call fails; the agent continues from the journal, and the figures are exact."""
    whole = Disk()
    with journal_on(whole) as journal:
        SimulatedAgent(Random(5)).run(journal, 25)
    for k in range(1, whole.calls + 1):
        disk = Disk()
        disk.error_at, disk.error = k, error
        agent = SimulatedAgent(Random(5))
        try:
            with journal_on(disk) as journal:
                agent.run(journal, 25, continues=continues)
        except JournalError:
            if continues and agent.kept is not None:
                pytest.fail(f"call {k} ended an agent that was running")
        disk.error_at = None
        with journal_on(disk) as journal:
            journal.check()
            ledger = Ledger(journal, "journal-2", "edge-1", "edge", 10_000)
            if agent.kept is not None:
                assert not describe_loss(agent.kept, ledger.head), f"call {k}"
            check_conserved(agent, ledger)


class SimulatedBallast:
    """A ballast on the simulated disk: the space that it releases is free at once."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    def release(self) -> None:
        assert self.disk.capacity is not None
        self.disk.capacity += Ballast.BYTES


@pytest.mark.parametrize("has_ballast", [True, False])
def test_full_disk_accepts_an_acknowledgement_after_the_ballast_is_released(has_ballast: bool) -> None:
    disk, agent = Disk(), SimulatedAgent(Random(5))
    with journal_on(disk) as journal:
        agent.run(journal, 25)
        ledger = Ledger(journal, "journal-1", "edge-1", "edge", 10_000)
        journal._ballast = SimulatedBallast(disk) if has_ballast else None  # type: ignore[assignment]
        disk.capacity = disk.size()
        with pytest.raises(JournalError, match="full"):
            agent.count_minutes(ledger, 1_000)
        ledger.reload()
        report = ledger.report(agent.now, "online")
        assert report is not None
        acknowledgement = Acknowledgement(epoch=1, acknowledged=report.upto, now=agent.now)
        if has_ballast:
            ledger.acknowledge(acknowledgement, agent.now)
            assert ledger.head.acknowledged == report.upto > 0
            check_conserved(agent, ledger)
        else:
            with pytest.raises(JournalError, match="full"):
                ledger.acknowledge(acknowledgement, agent.now)

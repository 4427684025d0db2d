"""The agent's two loops where something fails between them: nothing that fails for a while ends the watch."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from streamusage.agent import runner
from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.rows import JournalTotals, slot_totals
from streamusage.agent.journal.sqlite import JournalError, SqliteJournal, SqliteTransaction
from streamusage.agent.reading import EndedConnection, LogGoneError, Reading, SourceError
from streamusage.agent.runner import Agent
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.api.report import Acknowledgement, Based, Baseline, EpochIssued, EpochRequest, Report, SlotRow
from streamusage.core.clock import SteadyClock
from streamusage.core.reasons import LOG_GONE
from tests.faults.media_server import MediaServer
from tests.support.agent.manual_clock import HandClock

NOW = 1_795_000_000_000


class FailingSource:
    """A media server whose log of earlier times fails as told."""

    def __init__(self, server: MediaServer, clock: HandClock) -> None:
        self.server, self.clock = server, clock
        self.failure: Exception | None = None
        self.hangs = False

    async def read(self, cursor: str | None) -> Reading:
        if self.hangs:
            await asyncio.Event().wait()
        return self.server.read(self.clock.now, cursor)

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        if self.failure is not None:
            raise self.failure
        return self.server.ended_between(from_cursor, to_cursor)

    async def close(self) -> None: ...


class Service:
    """Has figures of an earlier journal up to a baseline, and takes everything."""

    def __init__(self, clock: HandClock, baseline: Baseline) -> None:
        self.clock, self.baseline = clock, baseline
        self.reports: list[Report] = []

    async def issue_epoch(self, request: EpochRequest) -> EpochIssued:
        return EpochIssued(epoch=2, based_on=Based(1, 9), now=self.clock.now, baseline=self.baseline)

    async def send(self, report: Report) -> Acknowledgement:
        self.reports.append(report)
        return Acknowledgement(epoch=2, acknowledged=report.upto, now=self.clock.now)


class UnsureJournal:
    """A journal on a disk that fails: in doubt whether a transaction is in it, and then not to be read for a while."""

    def __init__(self, path: Path) -> None:
        self.kept = SqliteJournal(path, synchronous="off")
        self.fails_after_commit: int | None = None
        """How many transactions will fail after the next one, whose end is in doubt."""
        self._fails_at_all = 0

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        if self._fails_at_all:
            self._fails_at_all -= 1
            raise JournalError("the disk fails")
        with self.kept.transaction() as tx:
            yield tx
        if self.fails_after_commit is not None:
            self._fails_at_all, self.fails_after_commit = self.fails_after_commit, None
            raise JournalError("the disk fails")


class Began:
    """An agent with a new journal, two minutes after its predecessor's last reading."""

    def __init__(self, directory: Path) -> None:
        self.clock = HandClock(NOW)
        self.server = MediaServer(Random(1), NOW)
        self.server.connect(NOW, "publish", "s1")
        before = Ledger(SqliteJournal(directory / "before.db", synchronous="off"), "before", "edge-1", "edge", 10_000)
        before.record(self.server.read(NOW, None))
        assert before.head.baseline is not None
        self.service = Service(self.clock, before.head.baseline)
        self.clock.now += 120_000
        self.source = FailingSource(self.server, self.clock)
        self.journal = UnsureJournal(directory / "journal.db")
        self.agent = Agent(
            server="edge-1",
            source=self.source,
            ledger=Ledger(self.journal, "after", "edge-1", "edge", 10_000),
            link=self.service,
            schedule=SyncSchedule("edge-1", 10_000, 0, Random(1)),
            poll_interval_ms=1_000,
            clock=SteadyClock(self.clock),
        )

    def spans(self) -> list[tuple[str, str]]:
        return [(span.state, span.reason or "") for report in self.service.reports for span in report.spans]


@pytest.fixture
def began(tmp_path: Path) -> Began:
    return Began(tmp_path)


async def test_a_log_that_cannot_be_read_for_a_while_delays_the_sync_up(began: Began) -> None:
    began.source.failure = SourceError("the log /x cannot be read (Permission denied)")
    await began.agent.poll()
    await began.agent.sync()
    assert began.agent.schedule.phase == "retrying"
    assert "Permission denied" in began.agent.schedule.last_error
    began.source.failure = None
    await began.agent.sync()
    assert began.agent.schedule.phase == "online"
    assert began.spans() == [("counted", "")]


async def test_a_log_that_is_gone_makes_the_time_since_the_service_was_told_partial(began: Began) -> None:
    began.source.failure = LogGoneError("the log /x of that time is not there any more")
    await began.agent.poll()
    await began.agent.sync()
    assert began.agent.schedule.phase == "online"
    assert began.spans() == [("partial", LOG_GONE)]


@pytest.mark.parametrize("failing_after", [0, 1, 2])
async def test_a_disk_that_fails_more_than_once_counts_nothing_twice(began: Began, failing_after: int) -> None:
    agent = began.agent
    await agent.poll()
    first = began.server.truth.bytes_out[-1]
    for step in range(5):
        began.clock.now += 1_000
        began.server.connect(began.clock.now, "play", "s1")
        began.server.move_bytes(began.clock.now)
        if step == 2:
            began.journal.fails_after_commit = failing_after
        await agent.poll()
    await agent.poll()
    with began.journal.kept.transaction() as tx:
        rows = [slot_totals(row) for row in tx.changed_since(-1) if isinstance(row, SlotRow)]
    assert sum(row.bytes_out for row in rows) == began.server.truth.bytes_out[-1] - first
    assert sum(row.connections for row in rows) == 5
    assert sum(rows, JournalTotals()) == agent.ledger.head.counted


async def test_a_media_server_that_hangs_does_not_hold_up_a_stop(began: Began, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "SHUTDOWN_SECONDS", 0.1)
    await began.agent.poll()
    began.source.hangs = True
    began.agent.stop()
    async with asyncio.timeout(20):
        await began.agent.run()
    assert began.spans() == [("counted", "")], "what the journal has is handed over"

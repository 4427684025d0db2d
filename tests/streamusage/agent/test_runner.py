"""The agent's two loops under temporary failures, none of which ends the agent."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from streamusage.agent import runner
from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.rows import JournalTotals, slot_totals
from streamusage.agent.journal.sqlite import JournalError, SqliteJournal, SqliteTransaction
from streamusage.agent.liveness import Liveness
from streamusage.agent.reading import EndedConnection, LogGoneError, Reading, SourceError
from streamusage.agent.runner import Agent
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.api.report import (
    Acknowledgement,
    Based,
    Baseline,
    ClockQuestion,
    ClockReading,
    EpochIssued,
    EpochRequest,
    Report,
    SlotRow,
)
from streamusage.client.errors import InvalidAddressError, RefusedError
from streamusage.core.reasons import LOG_GONE
from streamusage.core.service_manager import ServiceManager
from tests.faults.media_server import MediaServer
from tests.support.agent.manual_clock import HandClock
from tests.support.waiting import LONGEST_WAIT_S

NOW = 1_795_000_000_000


class FailingSource:
    """A source whose earlier log, or whose reading, fails as configured."""

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


class ServiceWithBaseline:
    """A service with figures of an earlier journal up to a baseline. It accepts every report."""

    def __init__(self, clock: HandClock, baseline: Baseline) -> None:
        self.clock, self.baseline = clock, baseline
        self.reports: list[Report] = []
        self.on_request: Callable[[], None] = lambda: None

    async def issue_epoch(self, request: EpochRequest) -> EpochIssued:
        self.on_request()
        return EpochIssued(epoch=2, based_on=Based(1, 9), now=self.clock.now, baseline=self.baseline)

    async def read_clock(self, question: ClockQuestion) -> ClockReading:
        return ClockReading(now=self.clock.now, received_at=self.clock.now)

    async def send(self, report: Report) -> Acknowledgement:
        self.reports.append(report)
        return Acknowledgement(epoch=2, acknowledged=report.upto, now=self.clock.now)


class FailingJournal:
    """A journal on a failing disk: it reports an error after a commit, and then cannot be read for a while."""

    def __init__(self, path: Path) -> None:
        self.stored = SqliteJournal(path, synchronous="off")
        self.fails_after_commit: int | None = None
        """How many transactions fail after the next one, which commits but reports an error."""
        self._failing_transactions = 0

    def heal(self) -> None:
        self._failing_transactions = 0

    def record_sent(self, journal: str, revision: int) -> None:
        self.stored.record_sent(journal, revision)

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        if self._failing_transactions:
            self._failing_transactions -= 1
            raise JournalError("the disk fails")
        with self.stored.transaction() as tx:
            yield tx
        if self.fails_after_commit is not None:
            self._failing_transactions, self.fails_after_commit = self.fails_after_commit, None
            raise JournalError("the disk fails")


class ReplacedAgent:
    """An agent with a new journal, two minutes after the last reading of its predecessor."""

    def __init__(self, directory: Path) -> None:
        self.clock = HandClock(NOW)
        self.server = MediaServer(Random(1), NOW)
        self.server.connect(NOW, "publish", "s1")
        before = Ledger(SqliteJournal(directory / "before.db", synchronous="off"), "before", "edge-1", "edge", 10_000)
        before.record(self.server.read(NOW, None))
        assert before.head.baseline is not None
        self.service = ServiceWithBaseline(self.clock, before.head.baseline)
        self.clock.now += 120_000
        self.source = FailingSource(self.server, self.clock)
        self.journal = FailingJournal(directory / "journal.db")
        self.agent = Agent(
            server="edge-1",
            source=self.source,
            ledger=Ledger(self.journal, "after", "edge-1", "edge", 10_000),
            link=self.service,
            schedule=SyncSchedule("edge-1", 10_000, 0, Random(1)),
            poll_interval_ms=1_000,
            clock=self.clock,
        )

    def spans(self) -> list[tuple[str, str]]:
        return [(span.state, span.reason or "") for report in self.service.reports for span in report.spans]


@pytest.fixture
def replaced(tmp_path: Path) -> ReplacedAgent:
    return ReplacedAgent(tmp_path)


async def test_unreadable_earlier_log_delays_the_sync(replaced: ReplacedAgent) -> None:
    replaced.source.failure = SourceError("the log /x cannot be read (Permission denied)")
    await replaced.agent.poll()
    await replaced.agent.sync()
    assert replaced.agent.schedule.phase == "retrying"
    assert "Permission denied" in replaced.agent.schedule.last_error
    replaced.source.failure = None
    await replaced.agent.sync()
    assert replaced.agent.schedule.phase == "online"
    assert replaced.spans() == [("counted", "")]


async def test_missing_earlier_log_makes_the_time_since_the_services_state_partial(replaced: ReplacedAgent) -> None:
    replaced.source.failure = LogGoneError("the log /x of that time is not there any more")
    await replaced.agent.poll()
    await replaced.agent.sync()
    assert replaced.agent.schedule.phase == "online"
    assert replaced.spans() == [("partial", LOG_GONE)]


async def test_failing_journal_is_logged_once_a_minute(
    replaced: ReplacedAgent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await replaced.agent.poll()
    replaced.journal.fails_after_commit = 10**6
    for _ in range(150):
        replaced.clock.now += 1_000
        await replaced.agent.poll()
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == ["the disk fails; the next reading retries"] * 3
    replaced.journal.heal()
    await replaced.agent.poll()
    assert caplog.messages[-1] == "the journal of edge-1 can be written again"


@pytest.mark.parametrize("failing_after", [0, 1, 2])
async def test_repeatedly_failing_disk_counts_nothing_twice(replaced: ReplacedAgent, failing_after: int) -> None:
    agent = replaced.agent
    await agent.poll()
    first = replaced.server.truth.bytes_out[-1]
    for step in range(5):
        replaced.clock.now += 1_000
        replaced.server.connect(replaced.clock.now, "play", "s1")
        replaced.server.move_bytes(replaced.clock.now)
        if step == 2:
            replaced.journal.fails_after_commit = failing_after
        await agent.poll()
    await agent.poll()
    with replaced.journal.stored.transaction() as tx:
        rows = [slot_totals(row) for row in tx.changed_since(-1) if isinstance(row, SlotRow)]
    assert sum(row.bytes_out for row in rows) == replaced.server.truth.bytes_out[-1] - first
    assert sum(row.connections for row in rows) == 5
    assert sum(rows, JournalTotals()) == agent.ledger.head.counted


async def test_hanging_media_server_does_not_delay_the_stop(
    replaced: ReplacedAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "SHUTDOWN_SECONDS", 0.1)
    await replaced.agent.poll()
    replaced.source.hangs = True
    replaced.agent.stop()
    async with asyncio.timeout(LONGEST_WAIT_S):
        await replaced.agent.run()
    assert replaced.spans() == [("counted", "")], "the contents of the journal are sent"


class YieldingClock(HandClock):
    """A clock that a test moves, for loops that run side by side."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "refusal",
    [
        RefusedError("http://service", "send the report", "HTTP 401", status=401),
        RefusedError("http://service", "send the report", "HTTP 403", status=403),
        InvalidAddressError("file /x (the token of this agent) is empty or not set; store the secret there"),
    ],
    ids=["401", "403", "no token"],
)
async def test_replaced_token_is_used_within_one_interval(replaced: ReplacedAgent, refusal: Exception) -> None:
    agent, clock = replaced.agent, YieldingClock(replaced.clock.now)
    replaced_at_ms = 0
    tried_at_ms: list[int] = []

    def refuse() -> None:
        nonlocal replaced_at_ms
        tried_at_ms.append(clock.now)
        if replaced_at_ms:
            agent.stop()
        elif len(tried_at_ms) == 12:
            replaced_at_ms = clock.now + 1
        raise refusal

    agent = Agent(
        server="edge-1",
        source=replaced.source,
        ledger=agent.ledger,
        link=replaced.service,
        schedule=SyncSchedule("edge-1", 10_000, clock.now, Random(1)),
        poll_interval_ms=1_000,
        clock=clock,
        token_version=lambda: "new" if replaced_at_ms and clock.now >= replaced_at_ms else "old",
    )
    replaced.service.on_request = refuse
    async with asyncio.timeout(LONGEST_WAIT_S):
        await agent.run()
    assert tried_at_ms[11] - tried_at_ms[10] > 100_000, "the token that is not replaced is tried rarely"
    assert tried_at_ms[12] - replaced_at_ms <= 10_000


class Pings(ServiceManager):
    """A service manager with a watchdog of two minutes, which records when it is notified."""

    def __init__(self, clock: YieldingClock) -> None:
        super().__init__("/none", watchdog_seconds=120)
        self._clock = clock
        self.at_ms: list[int] = []

    def ping(self) -> bool:
        self.at_ms.append(self._clock.now)
        return True


@pytest.mark.parametrize("hangs", [False, True])
async def test_watchdog_is_notified_until_the_loop_that_reads_hangs(
    replaced: ReplacedAgent, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    monkeypatch.setattr(runner, "SHUTDOWN_SECONDS", 0.1)
    clock = replaced.source.clock = replaced.service.clock = YieldingClock(replaced.clock.now)
    began_ms, manager = clock.now, Pings(clock)

    def seconds() -> float:
        replaced.source.hangs = hangs and clock.now >= began_ms + 60_000
        if clock.now >= began_ms + 900_000:
            agent.stop()
        return clock.now / 1000

    agent = Agent(
        server="edge-1",
        source=replaced.source,
        ledger=replaced.agent.ledger,
        link=replaced.service,
        schedule=SyncSchedule("edge-1", 10_000, clock.now, Random(1)),
        poll_interval_ms=1_000,
        clock=clock,
        liveness=Liveness(manager, ["edge-1"], now=seconds),
        request_seconds=(5.0, 30.0),
    )
    async with asyncio.timeout(LONGEST_WAIT_S):
        await agent.run()
    apart_ms = [later - earlier for earlier, later in zip(manager.at_ms, manager.at_ms[1:], strict=False)]
    assert max(apart_ms) < 120_000
    last_ms = manager.at_ms[-1] - began_ms
    assert 60_000 <= last_ms <= 60_000 + 101_000 + 1_000 if hangs else last_ms > 850_000

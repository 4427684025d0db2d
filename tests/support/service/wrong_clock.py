"""A store in which a wrong clock filed figures in the future, as earlier versions of the service accepted them.

The real journal and the real rules fill it. Agents of this version do not file figures in the future: the times in
their reports are moved as the clocks of earlier versions moved them, from the jump of the clock on.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import msgspec

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.reading import EndedConnection, Reading
from streamusage.agent.runner import Agent
from streamusage.agent.sync.link import ServiceLink
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.api.report import Acknowledgement, Peak, Report
from streamusage.core.days import zone
from streamusage.service.accounting.closing import advance_accounting, is_accounting_due
from streamusage.service.ingest.reports import ingest_report, issue_epoch
from streamusage.service.store.store import Store, open_store
from tests.faults.media_server import MediaServer
from tests.streamusage.service.conftest import NOW, Estate, OwnedClock, an_estate

STEP_MS = 10_000
RUN = "machine-boot"
SETTLE_MS = 120_000
DAY = 86_400_000
MINUTE = 60_000
YEAR = 365 * DAY
MONTH = 31 * DAY
ZONES = [zone("UTC"), zone("Europe/Berlin")]
AHEAD = "filed in the future"


class CountedServer:
    """A media server whose journal reports straight into a store, each side with the clock that the test gives it."""

    def __init__(self, directory: Path, store_url: str, now: int, server: str = "edge-1", seed: int = 1) -> None:
        self.server = server
        self.directory = directory
        self.url = store_url
        self.now = now
        """The true time."""
        self.random = Random(seed)
        self.media = MediaServer(self.random, now)
        self.journal = SqliteJournal(directory / f"{server}.db", synchronous="off")
        self.ledger = self.make_ledger()

    def make_ledger(self) -> Ledger:
        return Ledger(self.journal, f"{self.server}-journal", self.server, "standalone", STEP_MS)

    def pass_time(self, ms: int = STEP_MS) -> None:
        """Let true time pass, with the events of publishers and viewers in its middle."""
        middle = self.now + ms // 2
        self.media.connect(middle, "publish", "stage")
        if self.random.random() < 0.7:
            self.media.connect(middle, "play", "stage")
        playing = [number for number, open_ in self.media.open.items() if open_.kind == "play"]
        if len(playing) > 2:
            self.media.disconnect(middle, self.random.choice(playing))
        self.media.move_bytes(middle)
        self.now += ms

    def reading(self, cursor: str | None) -> Reading:
        return msgspec.structs.replace(self.media.read(self.now, cursor), run=RUN, elapsed_ms=self.now)

    def count(
        self,
        store: Store,
        steps: int,
        ahead_ms: int = 0,
        zones: Sequence[ZoneInfo] = (),
        jumped_at: int | None = None,
    ) -> None:
        """Count and report for some steps, with all clocks ahead, and close what such a service closes. The clocks
        jump now, or did so while the agent was away.
        """
        jumped_at = self.now if jumped_at is None else jumped_at
        for _ in range(steps):
            self.pass_time()
            self.ledger.record(self.reading(self.ledger.cursor))
            self.sync(store, ahead_ms, jumped_at)
        close_all(store, zones, self.now + ahead_ms)

    def sync(self, store: Store, ahead_ms: int = 0, jumped_at: int = 0, service_ahead_ms: int | None = None) -> None:
        """Report to a service, with times from `jumped_at` on moved ahead, by default as far as the service's clock."""
        service_now = self.now + (ahead_ms if service_ahead_ms is None else service_ahead_ms)
        for _ in range(4):
            request = self.ledger.epoch_request()
            with store.writing() as connection, connection.begin():
                if request is not None:
                    self.ledger.continue_from(issue_epoch(connection, self.server, request, service_now), ())
                    continue
                report = self.ledger.report(self.now, "online")
                if report is None:
                    return
                report = move_report(report, jumped_at, ahead_ms)
                reply = ingest_report(connection, report, msgspec.json.encode(report), service_now)
            if isinstance(reply, Acknowledgement):
                self.ledger.acknowledge(reply, self.now)
                return
            self.ledger.handle_refusal(reply)

    def real_agent(self, service_url: str, clock: OwnedClock) -> Agent:
        """Return the agent on this journal, which reports to a running service."""
        return Agent(
            server=self.server,
            source=self,
            ledger=self.ledger,
            link=ServiceLink(service_url, self.server, lambda: f"{self.server}-token", clock=clock),
            schedule=SyncSchedule(self.server, STEP_MS, clock.now, Random(1)),
            poll_interval_ms=STEP_MS,
            clock=clock,
            run=RUN,
        )

    async def read(self, cursor: str | None) -> Reading:
        return self.media.read(self.now, cursor)

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        return self.media.ended_between(from_cursor, to_cursor)

    def true_sums(self) -> dict[str, int]:
        """Return everything that happened so far, by the names of the API."""
        truth = self.media.truth
        watching = [self.now - viewer.started_at for viewer in self.media.open.values() if viewer.kind == "play"]
        return {
            "connections": len(truth.connections),
            "bytes_in": truth.bytes_in[-1],
            "bytes_out": truth.bytes_out[-1],
            "view_time_ms": sum(ended - began for began, ended in truth.views) + sum(watching),
        }


def move_report(report: Report, jumped_at: int, ahead_ms: int) -> Report:
    """Return the report of an agent whose clock jumped ahead at a whole minute: later times are moved."""

    def move(at: int) -> int:
        return at + ahead_ms if at >= jumped_at else at

    replace = msgspec.structs.replace
    baseline = report.baseline
    if not ahead_ms:
        return report
    return replace(
        report,
        sent_at=report.sent_at + ahead_ms,
        baseline=replace(
            baseline,
            at=move(baseline.at),
            since=move(baseline.since),
            offset_ms=None if baseline.offset_ms is None else baseline.offset_ms + ahead_ms,
            window=replace(baseline.window, at=baseline.window.at + ahead_ms),
            publishes=tuple(replace(row, start_time=move(row.start_time)) for row in baseline.publishes),
        ),
        slots=tuple(
            replace(
                row,
                slot=move(row.slot),
                peak_in=_moved_peak(row.peak_in, move),
                peak_out=_moved_peak(row.peak_out, move),
            )
            for row in report.slots
        ),
        spans=tuple(
            replace(row, from_ms=max(row.from_ms, jumped_at) + ahead_ms, to_ms=row.to_ms + ahead_ms)
            for row in report.spans
            if row.to_ms > jumped_at
        ),
        sessions=tuple(
            replace(row, start_time=move(row.start_time), end_time=move(row.end_time)) for row in report.sessions
        ),
        samples=tuple(replace(row, slot=move(row.slot)) for row in report.samples),
        stream_slots=tuple(replace(row, slot=move(row.slot)) for row in report.stream_slots),
        viewers=tuple(replace(row, started_at=move(row.started_at)) for row in report.viewers),
    )


def _moved_peak(peak: Peak | None, move: Callable[[int], int]) -> Peak | None:
    return None if peak is None else Peak(peak.bps, move(peak.at), peak.window_ms)


def close_all(store: Store, zones: Sequence[ZoneInfo], now_ms: int) -> None:
    """Sum hours and close days until nothing is due, as the service does by its own clock."""
    while True:
        with store.writing() as connection, connection.begin():
            if not is_accounting_due(connection, zones, now_ms, SETTLE_MS):
                return
            advance_accounting(connection, zones, now_ms, SETTLE_MS)


def jumped_store(directory: Path, store_url: str, ahead_ms: int = MONTH, back_steps: int = 0) -> CountedServer:
    """Return a server that was counted for five minutes, then for 20 s with clocks far ahead, then with true ones."""
    counted = CountedServer(directory, store_url, NOW - 10 * MINUTE)
    store = open_store(store_url, counted.now)
    counted.ledger.record(counted.reading(None))
    counted.sync(store)
    counted.count(store, 30, zones=ZONES)
    counted.count(store, 2, ahead_ms, ZONES)
    counted.count(store, back_steps)
    store.close()
    return counted


@asynccontextmanager
async def serving(counted: CountedServer, directory: Path, ahead_ms: int = 0) -> AsyncIterator[Estate]:
    """Run the service on the store, with a clock that is right or ahead."""
    clock = OwnedClock()
    clock.now = counted.now + ahead_ms
    async with an_estate(directory, clock, counted.url, account_zones=ZONES) as estate:
        # Figures of the future raise a doubt, which an operator ends before the repair.
        estate.running.service.clock.accept()
        yield estate

"""The agent of one media server: one loop polls the server into the journal, the other sends the journal's reports.

Neither waits for the other, so that counting continues while the service is unreachable. All state that matters is in
the journal; the process may die at any line.
"""

import asyncio
import contextlib
import logging
import uuid
from typing import Protocol

import msgspec

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import DamagedJournalError, JournalError
from streamusage.agent.reading import EndedConnection, LogGoneError, Reading, Source, SourceError
from streamusage.agent.status_file import StatusFile
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.api.report import Acknowledgement, EpochIssued, EpochRequest, Refusal, Report
from streamusage.client.errors import RequestError
from streamusage.core.clock import SteadyClock
from streamusage.core.reasons import LOG_GONE

LOG = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 5.0
"""How long a stopping agent tries to take a last reading, and then to send the rest. What it cannot send stays in the
journal."""

CORRECT_FROM_MS = 2_000
"""The agent's clock is corrected where it differs by more than this from the service's; less is network delay."""

SHIFT_FROM_MS = 20
"""From this difference between the machine's wall clock and the agent's on, times of the log are converted to the
agent's clock. Less is the precision of reading the two clocks."""

MOST_REQUESTS_PER_SYNC = 4
"""Most requests of one sync: issue an epoch, a report that is refused for a hole, and the report again."""


class FencedError(Exception):
    """Another journal reports for this server, so that this one no longer can. The text names what to do."""


class Link(Protocol):
    """Requests to the service; `streamusage.agent.sync.link.ServiceLink` implements them."""

    async def issue_epoch(self, request: EpochRequest) -> EpochIssued:
        """Return a new epoch. Raises `RequestError`."""
        ...

    async def send(self, report: Report) -> Acknowledgement | Refusal:
        """Send a report and return the reply. Raises `RequestError`."""
        ...


class Agent:
    """Agent of one media server. `run` returns after `stop` is called, or raises `FencedError`."""

    def __init__(
        self,
        *,
        server: str,
        source: Source,
        ledger: Ledger,
        link: Link,
        schedule: SyncSchedule,
        poll_interval_ms: int,
        clock: SteadyClock,
        status: StatusFile | None = None,
        run: str = "",
    ) -> None:
        """`run` is the boot id of the machine to which the clock's elapsed time belongs.

        With it a restarted agent knows how long it was away, whatever the wall clock shows; without it only times of
        one run are comparable.
        """
        self.ledger = ledger
        self.schedule = schedule
        self._server = server
        self._source = source
        self._link = link
        self._poll_interval_ms = poll_interval_ms
        self._clock = clock
        self._stopping = asyncio.Event()
        self._source_error = ""
        self._ledger_is_stale = False
        """Whether the journal failed, so that the ledger must be reloaded from it."""
        self._status = status
        self._clock_offset_ms: int | None = None
        self._run = run or uuid.uuid4().hex

    def stop(self) -> None:
        """Make `run` take a last reading, send it if possible, and return."""
        self._stopping.set()

    async def run(self) -> None:
        """Count and sync until `stop` is called. Raises `FencedError` or `DamagedJournalError`."""
        async with asyncio.TaskGroup() as tasks:
            loops = [tasks.create_task(self._poll_loop()), tasks.create_task(self._sync_loop())]
            await self._stopping.wait()
            for loop in loops:
                loop.cancel()
        for final_step in (self.poll, self.sync):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SHUTDOWN_SECONDS):
                    await final_step()

    async def _poll_loop(self) -> None:
        while True:
            due_ms = self._clock.elapsed_ms() + self._poll_interval_ms
            await self.poll()
            self._write_status()
            await self._clock.sleep(max(0, due_ms - self._clock.elapsed_ms()) / 1000)

    async def _sync_loop(self) -> None:
        while True:
            wait_ms = self.schedule.due_ms - self._clock.elapsed_ms()
            if wait_ms > 0:
                await self._clock.sleep(wait_ms / 1000)
            await self.sync()
            self._write_status()

    def _write_status(self) -> None:
        if self._status is not None:
            with contextlib.suppress(JournalError):
                self._status.write(
                    self.ledger,
                    self.schedule,
                    self._source_error,
                    self._clock_offset_ms,
                    self._clock.now_ms(),
                    self._clock.elapsed_ms(),
                )

    async def poll(self) -> None:
        """Record a reading in the journal. A source that fails is logged once, and polled again."""
        try:
            reading = await self._take_reading()
            if reading is not None:
                self._reloaded_ledger.record(self._with_times(reading))
        except DamagedJournalError:
            raise
        except JournalError as error:
            # Nothing is lost: the next reading counts from the baseline that the journal has.
            LOG.error("%s; the next reading retries", error)
            self._ledger_is_stale = True

    async def _take_reading(self) -> Reading | None:
        try:
            reading = await self._source.read(self._reloaded_ledger.cursor)
        except SourceError as error:
            if str(error) != self._source_error:
                LOG.warning("cannot read %s: %s", self._server, error)
            self._source_error = str(error)
            return None
        if self._source_error:
            LOG.info("%s can be read again", self._server)
            self._source_error = ""
        return reading

    @property
    def _reloaded_ledger(self) -> Ledger:
        """The ledger, reloaded after an error of the journal. Raises `JournalError`."""
        if self._ledger_is_stale:
            self.ledger.reload()
            self._ledger_is_stale = False
        return self.ledger

    def _with_times(self, reading: Reading) -> Reading:
        """Return the reading with the elapsed time, and with the log's times converted to the agent's clock."""
        return msgspec.structs.replace(
            reading,
            run=self._run,
            elapsed_ms=self._clock.elapsed_ms(),
            started_at=reading.started_at + self._log_shift_ms,
            ended=self._shift_log_times(reading.ended),
        )

    @property
    def _log_shift_ms(self) -> int:
        ahead_ms = self._clock.ahead_ms
        return ahead_ms if abs(ahead_ms) > SHIFT_FROM_MS else 0

    def _shift_log_times(self, ended: tuple[EndedConnection, ...]) -> tuple[EndedConnection, ...]:
        shift_ms = self._log_shift_ms
        if not shift_ms:
            return ended
        return tuple(msgspec.structs.replace(line, ended_at=line.ended_at + shift_ms) for line in ended)

    def _correct_clock(self, service_now_ms: int) -> None:
        """Correct the agent's clock by the service's. It decides where units are filed, not whether they count."""
        self._clock_offset_ms = self._clock.now_ms() - service_now_ms
        if abs(self._clock_offset_ms) > CORRECT_FROM_MS:
            LOG.warning("the clock differs by %+d ms from the service's and is corrected", self._clock_offset_ms)
            self._clock.correct(-self._clock_offset_ms)

    async def sync(self) -> None:
        """Send everything that the service has not acknowledged. A failure only delays the next attempt."""
        try:
            for _ in range(MOST_REQUESTS_PER_SYNC):
                if await self._exchange():
                    self._record_success()
                    return
                self.schedule.record_reply(self._clock.elapsed_ms())
            raise RequestError(
                f"no acknowledgement after {MOST_REQUESTS_PER_SYNC} requests; the figures stay in the journal"
            )
        except DamagedJournalError:
            raise
        except JournalError as error:
            self.schedule.record_failure(self._clock.elapsed_ms(), str(error))
            LOG.error("%s; the next sync retries", error)
            self._ledger_is_stale = True
            self._record_failure()
        except (RequestError, SourceError) as error:
            retry_after = getattr(error, "retry_after_seconds", None) or 0
            before = self.schedule.phase
            self.schedule.record_failure(self._clock.elapsed_ms(), str(error), int(retry_after * 1000))
            if self.schedule.phase != before or self.schedule.failures == 1:
                LOG.warning("%s: %s; the figures stay in the journal", self.schedule.phase, error)
            self._record_failure()

    def _record_failure(self) -> None:
        """Record the failure for the account of the outage. On a full disk only this record is lost, no figures."""
        try:
            ledger, schedule = self._reloaded_ledger, self.schedule
            ledger.record_failed_sync(schedule.phase, schedule.last_error, self._clock.now_ms())
        except DamagedJournalError:
            raise
        except JournalError:
            self._ledger_is_stale = True

    def _record_success(self) -> None:
        if self.schedule.phase != "online":
            LOG.info("the service is up to date again after %d failures", self.schedule.failures)
        self._reloaded_ledger.record_successful_sync(self._clock.now_ms())
        self.schedule.record_success(self._clock.elapsed_ms())

    async def _exchange(self) -> bool:
        """Make one request to the service. Return whether it has everything. Raises `RequestError` or `FencedError`."""
        if self._reloaded_ledger.head.baseline is None:
            return True
        request = self._reloaded_ledger.epoch_request()
        if request is not None:
            await self._continue_from(await self._link.issue_epoch(request))
            return False
        report = self._reloaded_ledger.report(self._clock.now_ms(), self.schedule.reporting_phase)
        if report is None:
            return False
        reply = await self._link.send(report)
        if isinstance(reply, Acknowledgement):
            self._correct_clock(reply.now)
            self._reloaded_ledger.acknowledge(reply, self._clock.now_ms())
            self._check_fence()
            return reply.acknowledged >= report.upto
        if reply.reason == "held":
            raise RequestError(
                f"the service quarantined this report ({reply.error_message}); the figures stay in the journal until "
                "an operator has decided"
            )
        self._reloaded_ledger.handle_refusal(reply)
        return False

    async def _continue_from(self, issued: EpochIssued) -> None:
        first = self._reloaded_ledger.first_reading()
        after = first.cursor if issued.baseline is None else issued.baseline.cursor
        ended: tuple[EndedConnection, ...] = ()
        misses = ""
        try:
            ended = await self._source.ended_between(after, first.cursor)
        except LogGoneError as error:
            LOG.warning("%s; the time from the service's state to the first reading is covered in part only", error)
            misses = LOG_GONE
        self._correct_clock(issued.now)
        self._reloaded_ledger.continue_from(issued, self._shift_log_times(ended), misses)
        self._check_fence()

    def _check_fence(self) -> None:
        if self.ledger.head.fenced:
            raise FencedError(
                f"another journal reports for {self._server}: either a second agent runs for this server, or this "
                "journal is an older copy. The service has the newer figures. Stop the other agent, or move this "
                "journal away and restart: a new journal continues from the state of the service"
            )

"""The agent of one media server: one loop polls the server into the journal, the other sends the journal's reports.

Neither waits for the other, so that counting continues while the service is unreachable. All state that matters is in
the journal; the process may die at any line.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable
from typing import Protocol

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import DamagedJournalError, JournalError
from streamusage.agent.liveness import Liveness, LoopBeat
from streamusage.agent.reading import (
    EndedConnection,
    IgnoredViewers,
    LogAheadError,
    LogGoneError,
    Reading,
    Source,
    SourceError,
)
from streamusage.agent.status_file import StatusFile
from streamusage.agent.sync.offset import AGREEING_SAMPLES
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.agent.sync.time_line import TimeLine
from streamusage.api.report import (
    Acknowledgement,
    ClockQuestion,
    ClockReading,
    ClockState,
    EpochIssued,
    EpochRequest,
    MachineClock,
    Refusal,
    Report,
    SourceState,
)
from streamusage.client.errors import InvalidAddressError, RefusedError, RequestError
from streamusage.core.clock import Clock
from streamusage.core.coverage import MOST_AHEAD_MS
from streamusage.core.reasons import LOG_GONE
from streamusage.core.service_manager import ServiceManager
from streamusage.core.text import escape_unprintable, remove_secrets, shorten_line

LOG = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 5.0
"""How long a stopping agent tries to take a last reading, and then to send the rest. What it cannot send stays in the
journal."""

JOURNAL_ERRORS_APART_MS = 60_000
"""Least time between two log lines about errors of the journal."""

MOST_REQUESTS_PER_SYNC = 4
"""Most requests of one sync: issue an epoch, a report that is refused for a hole, and the report again."""


MOST_REQUESTS_PER_READING = 20
"""More requests than a reading sends one after another; those for the lists of listeners are sent together."""

WAIT_SECONDS = 30.0
"""How long the loop that syncs waits without a sign of life."""


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

    async def read_clock(self, question: ClockQuestion) -> ClockReading:
        """Return the service's clock. Raises `RequestError`."""
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
        clock: Clock,
        status: StatusFile | None = None,
        run: str = "",
        token_version: Callable[[], str] = lambda: "",
        liveness: Liveness | None = None,
        request_seconds: tuple[float, float] = (5.0, 30.0),
    ) -> None:
        """`clock` is the machine's, with its wall clock as it is; `run` is the machine's boot id.

        With a boot id a restarted agent knows how long it was away and what the time of day is, whatever the wall clock
        shows; without it only times of one process are comparable.

        `token_version` returns another text once the token was replaced. `liveness` notices loops that hang;
        `request_seconds` is how long a request to the media server and one to the service may take.
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
        self._ignored: IgnoredViewers | None = None
        """`Reading.ignored` of the last reading."""
        self._source_failed_since_ms: int | None = None
        """Elapsed time of the first failed reading since the last good one."""
        self._source_problem = ""
        """`Reading.problem` of the last reading."""
        self._ledger_is_stale = False
        """Whether the journal failed, so that the ledger must be reloaded from it."""
        self._journal_error_logged_ms: int | None = None
        self._is_journal_failing = False
        self._status = status
        self._token_version = token_version
        self._liveness = liveness or Liveness(ServiceManager(), ())
        self._poll_seconds = poll_interval_ms / 1000 + MOST_REQUESTS_PER_READING * request_seconds[0]
        """How long a round of the loop that polls takes at most."""
        self._sync_seconds = WAIT_SECONDS + 2 * MOST_REQUESTS_PER_SYNC * request_seconds[1]
        self._refused_token: str | None = None
        """Version of the token that the service refused at the last sync; `None` if it refused none."""
        self._boot = run
        self._time_line = TimeLine(run or uuid.uuid4().hex)
        self._reading_lock = asyncio.Lock()
        """Held from the start of a reading until it is recorded: the time line changes only between readings."""

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
        life = self._liveness.add_loop(self._poll_seconds)
        try:
            while True:
                due_ms = self._clock.elapsed_ms() + self._poll_interval_ms
                await self.poll()
                self._write_status()
                life.beat()
                await self._clock.sleep(max(0, due_ms - self._clock.elapsed_ms()) / 1000)
        finally:
            life.end()

    async def _sync_loop(self) -> None:
        life = self._liveness.add_loop(self._sync_seconds)
        try:
            while True:
                await self._wait_for_sync(life)
                await self.sync()
                self._write_status()
                life.beat()
        finally:
            life.end()

    async def _wait_for_sync(self, life: LoopBeat) -> None:
        """Wait until the next sync is due. A replaced token ends the delay that a refused one caused."""
        while (wait_ms := self.schedule.due_ms - self._clock.elapsed_ms()) > 0:
            life.beat()
            wait_ms = min(wait_ms, int(WAIT_SECONDS * 1000))
            if self._refused_token is not None:
                if self._token_version() != self._refused_token:
                    LOG.info("the token was replaced; the next sync uses the new one")
                    return
                wait_ms = min(wait_ms, self.schedule.interval_ms // 2)
            await self._clock.sleep(wait_ms / 1000)

    def _write_status(self) -> None:
        if self._status is not None:
            with contextlib.suppress(JournalError):
                self._status.write(
                    self.ledger,
                    self.schedule,
                    self._source_error or self._source_problem,
                    self._time_line.machine_ahead_ms(self._machine_offset_ms),
                    self._clock.now_ms(),
                    self._clock.elapsed_ms(),
                    self._source_failed_since_ms,
                    self._ignored,
                )

    @property
    def _machine_offset_ms(self) -> int:
        return self._clock.now_ms() - self._clock.elapsed_ms()

    def _now_ms(self) -> int:
        """Return the time on the agent's time line. Raises `JournalError`."""
        return self._clock.elapsed_ms() + self._offset_ms()

    def _offset_ms(self) -> int:
        return self._time_line.offset_ms(self._reloaded_ledger, self._clock.elapsed_ms(), self._clock.now_ms())

    async def poll(self) -> None:
        """Record a reading in the journal. A source that fails is logged once, and polled again."""
        try:
            async with self._reading_lock:
                offset_ms, asked_ms = self._offset_ms(), self._clock.elapsed_ms()
                reading = await self._take_reading()
                if reading is not None:
                    elapsed_ms, machine_now_ms = self._clock.elapsed_ms(), self._clock.now_ms()
                    placed = self._time_line.place(reading, offset_ms, asked_ms, elapsed_ms, machine_now_ms)
                    self._reloaded_ledger.record(placed)
                    self._log_journal_recovery()
                    if self._status is not None:
                        self._status.record_journal_written()
                        self._status.activity.record_reading(reading.log_lines, reading.unreadable_lines)
        except DamagedJournalError:
            raise
        except JournalError as error:
            # Nothing is lost: the next reading counts from the baseline that the journal has.
            self._log_journal_error(f"{error}; the next reading retries")
            self._ledger_is_stale = True
            if self._status is not None:
                self._status.record_journal_error(str(error), self._clock.now_ms())

    def _log_journal_error(self, message: str) -> None:
        """Log an error of the journal at most once a minute: a full disk fails every reading."""
        self._is_journal_failing = True
        now_ms = self._clock.elapsed_ms()
        if self._journal_error_logged_ms is None or now_ms - self._journal_error_logged_ms >= JOURNAL_ERRORS_APART_MS:
            self._journal_error_logged_ms = now_ms
            LOG.error("%s", message)

    def _log_journal_recovery(self) -> None:
        if self._is_journal_failing:
            self._is_journal_failing = False
            LOG.info("the journal of %s can be written again", self._server)

    async def _take_reading(self) -> Reading | None:
        try:
            reading = await self._source.read(self._reloaded_ledger.cursor)
        except SourceError as error:
            text = escape_unprintable(remove_secrets(str(error)))
            if text != self._source_error:
                LOG.warning("cannot read %s: %s", self._server, text)
            self._source_error = text
            if self._status is not None:
                self._status.activity.record_source_error(error)
            if self._source_failed_since_ms is None:
                self._source_failed_since_ms = self._clock.elapsed_ms()
            return None
        if self._source_error:
            LOG.info("%s can be read again", self._server)
        self._source_error, self._source_failed_since_ms = "", None
        self._ignored = reading.ignored
        if reading.problem != self._source_problem:
            if reading.problem:
                LOG.warning("figures of %s are partial: %s", self._server, reading.problem)
            else:
                LOG.info("the cause of partial figures of %s is removed", self._server)
            self._source_problem = reading.problem
        return reading

    @property
    def _reloaded_ledger(self) -> Ledger:
        """The ledger, reloaded after an error of the journal. Raises `JournalError`."""
        if self._ledger_is_stale:
            self.ledger.reload()
            self._ledger_is_stale = False
            self._time_line.forget()
        return self.ledger

    @property
    def _machine(self) -> MachineClock | None:
        return MachineClock(self._boot, max(0, self._clock.now_ms())) if self._boot else None

    async def _learn_time(self) -> None:
        """Request the service's clock until the samples agree, and file readings by it.

        Raises `RequestError` where the service cannot be reached, or does not trust its clock.
        """
        for _ in range(AGREEING_SAMPLES):
            await self._read_service_clock()
        if not self._time_line.is_known:
            raise RequestError(
                "the time of day is not known yet: the service does not trust its own clock, or its replies disagree; "
                "the figures stay in the journal"
            )
        await self._follow_service()

    async def _read_service_clock(self) -> None:
        sent_ms = self._clock.elapsed_ms()
        reply: ClockReading | EpochIssued
        try:
            reply = await self._link.read_clock(ClockQuestion(machine=self._machine))
        except RefusedError as error:
            if error.status not in {404, 405}:
                raise
            # A service of an earlier version: an epoch request has no effect either, and its reply has the time.
            head = self._reloaded_ledger.head
            sent_ms = self._clock.elapsed_ms()
            reply = await self._link.issue_epoch(EpochRequest(journal=head.journal, epoch=head.epoch))
        self._observe_clock(sent_ms, reply.received_at, reply.now, reply.clock)

    def _observe_clock(self, sent_ms: int, received_at: int | None, replied_at: int, state: ClockState) -> None:
        self._time_line.observe(sent_ms, self._clock.elapsed_ms(), received_at, replied_at, state)

    async def _follow_service(self) -> None:
        """File readings by the service's clock. It decides where units are filed, not whether they count."""
        self._offset_ms()
        machine_ms = self._machine_offset_ms
        offset_ms = self._time_line.correction(self._reloaded_ledger, machine_ms)
        if offset_ms is None:
            return
        if offset_ms != machine_ms:
            LOG.warning("the clock differs by %+d ms from the service's and is corrected", machine_ms - offset_ms)
        async with self._reading_lock:
            self._time_line.follow(self._reloaded_ledger, offset_ms)

    async def _report_source_failure(self) -> None:
        """Send why there is no reading, so that the server is visible at the service. Raises `RequestError`."""
        failed_since_ms = self._source_failed_since_ms
        if failed_since_ms is None:
            return
        source = SourceState(
            error=shorten_line(self._source_error) or "no reading",
            failing_ms=max(0, self._clock.elapsed_ms() - failed_since_ms),
            role=self.ledger.role,
            sync_interval_ms=self.ledger.sync_interval_ms,
        )
        try:
            await self._link.read_clock(ClockQuestion(machine=self._machine, source=source))
        except RefusedError as error:
            if error.status not in {404, 405}:  # a service of an earlier version: nothing is lost
                raise

    async def sync(self) -> None:
        """Send everything that the service has not acknowledged. A failure only delays the next attempt."""
        token_version, self._refused_token = self._token_version(), None
        try:
            for _ in range(MOST_REQUESTS_PER_SYNC):
                if await self._exchange():
                    await self._report_source_failure()
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
            self._log_journal_error(f"{error}; the next sync retries")
            self._ledger_is_stale = True
            self._record_failure()
        except (RequestError, SourceError) as error:
            retry_after = getattr(error, "retry_after_seconds", None) or 0
            before = self.schedule.phase
            if isinstance(error, InvalidAddressError) or getattr(error, "status", None) in {401, 403}:
                self._refused_token = token_version
            self.schedule.record_failure(self._clock.elapsed_ms(), str(error), int(retry_after * 1000))
            if self.schedule.phase != before or self.schedule.failures == 1:
                LOG.warning("%s: %s; the figures stay in the journal", self.schedule.phase, error)
            self._record_failure()

    def _record_failure(self) -> None:
        """Record the failure for the account of the outage. On a full disk only this record is lost, no figures."""
        if self._status is not None:
            self._status.activity.record_failed_sync()
        try:
            ledger, schedule = self._reloaded_ledger, self.schedule
            ledger.record_failed_sync(schedule.phase, schedule.last_error, self._now_ms())
        except DamagedJournalError:
            raise
        except JournalError:
            self._ledger_is_stale = True

    def _record_success(self) -> None:
        if self.schedule.phase != "online":
            LOG.info("the service is up to date again after %d failures", self.schedule.failures)
        self._reloaded_ledger.record_successful_sync(self._now_ms())
        if self._status is not None:
            self._status.activity.record_sync(self._clock.now_ms())
        self.schedule.record_success(self._clock.elapsed_ms())

    async def _exchange(self) -> bool:
        """Make one request to the service. Return whether it has everything. Raises `RequestError` or `FencedError`."""
        if self._reloaded_ledger.head.baseline is None:
            return True
        self._offset_ms()
        if self._reloaded_ledger.is_undated:
            await self._learn_time()
        request = self._reloaded_ledger.epoch_request(self._machine)
        sent_ms = self._clock.elapsed_ms()
        if request is not None:
            issued = await self._link.issue_epoch(request)
            self._observe_clock(sent_ms, issued.received_at, issued.now, issued.clock)
            await self._continue_from(issued)
            return False
        now_ms = self._now_ms()
        report = self._reloaded_ledger.report(now_ms, self.schedule.reporting_phase, self._machine)
        if report is None:
            return False
        reply = await self._link.send(report)
        if isinstance(reply, Acknowledgement):
            self._observe_clock(sent_ms, reply.received_at, reply.now, reply.clock)
            self._reloaded_ledger.acknowledge(reply, now_ms)
            self._check_fence()
            await self._follow_service()
            return reply.acknowledged >= report.upto
        self._observe_clock(sent_ms, reply.received_at, reply.timestamp, reply.clock)
        if reply.reason == "held":
            raise RequestError(
                f"the service quarantined this report ({reply.error_message}); the figures stay in the journal until "
                "an operator has decided"
            )
        self._reloaded_ledger.handle_refusal(reply)
        self._check_fence()
        if reply.reason == "clock":
            await self._date_again(report, reply)
        return False

    async def _date_again(self, report: Report, refusal: Refusal) -> None:
        """File by the service's time what the service refused as future time. Raises `RequestError` if it still is."""
        await self._learn_time()
        baseline = self._reloaded_ledger.head.baseline
        if (
            baseline is not None
            and baseline.at >= report.baseline.at
            and baseline.at > refusal.timestamp + MOST_AHEAD_MS
        ):
            raise RequestError(
                f"the service refuses figures of the future ({refusal.error_message}); they stay in the journal. If it "
                f"has figures of the future already, `streamtop server repair {self._server}` moves them"
            )

    async def _continue_from(self, issued: EpochIssued) -> None:
        first = self._reloaded_ledger.first_reading()
        after = first.cursor if issued.baseline is None else issued.baseline.cursor
        ended: tuple[EndedConnection, ...] = ()
        misses = ""
        try:
            ended = await self._source.ended_between(after, first.cursor)
        except LogAheadError:
            self._reloaded_ledger.fence()
        except LogGoneError as error:
            LOG.warning("%s; the time from the service's state to the first reading is covered in part only", error)
            misses = LOG_GONE
        self._check_fence()
        self._reloaded_ledger.continue_from(issued, ended, misses)
        self._check_fence()

    def _check_fence(self) -> None:
        if self.ledger.head.fenced:
            raise FencedError(
                f"another journal reports for {self._server}: either a second agent runs for this server, or this "
                "journal is an older copy. The service has the newer figures. Stop the other agent, or move this "
                "journal away and restart: a new journal continues from the state of the service"
            )

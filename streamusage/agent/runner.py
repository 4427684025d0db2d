"""The agent at work: one loop reads the media server into the journal, one syncs the journal up with the service.

Neither waits for the other: while the service is away the first goes on counting. All that is at stake is in the
journal; this module may die at any line.
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
from streamusage.agent.sync.link import LinkDownError, LinkError
from streamusage.agent.sync.schedule import SyncUp
from streamusage.api.report import Acknowledgement, EpochIssued, EpochRequest, Refusal, Report
from streamusage.core.clock import SteadyClock
from streamusage.core.reasons import LOG_GONE

LOG = logging.getLogger(__name__)

LAST_SECONDS = 5.0
"""How long a stopping agent tries to take a last reading, and then to hand over what is left. What it cannot stays in
the journal."""

CORRECT_FROM_MS = 2_000
"""An agent's clock that is off by more than this against the service's is set right; less is the network's delay."""

SHIFT_FROM_MS = 20
"""From such a difference between the machine's wall clock and the agent's on, the log's times are put on the agent's.
Less is how exactly the two can be read."""

STEPS_A_SYNC = 4
"""Exchanges that one sync-up may take: ask for an epoch, be told of a hole, report."""


class FencedError(Exception):
    """Another journal reports for this server, so this one cannot any more. The text says what to do."""


class Link(Protocol):
    """The way to the service, as `streamusage.agent.sync.link.ServiceLink` goes it."""

    async def issue_epoch(self, request: EpochRequest) -> EpochIssued: ...
    async def send(self, report: Report) -> Acknowledgement | Refusal: ...


class Agent:
    """One media server's agent. `run` returns when `stop` is called, or raises `FencedError`."""

    def __init__(
        self,
        *,
        server: str,
        source: Source,
        ledger: Ledger,
        link: Link,
        sync_up: SyncUp,
        poll_interval_ms: int,
        clock: SteadyClock,
        status: StatusFile | None = None,
        run: str = "",
    ) -> None:
        """`run` names the life of the machine whose elapsed time the clock tells, so that a restarted agent knows how
        long it was away whatever the wall clock says. Without it only one run of the agent compares."""
        self.ledger = ledger
        self.sync_up = sync_up
        self._server = server
        self._source = source
        self._link = link
        self._poll_interval_ms = poll_interval_ms
        self._clock = clock
        self._stopping = asyncio.Event()
        self._source_error = ""
        self._in_doubt = False
        """Whether the journal failed, so that only it can tell what of the ledger is in it."""
        self._status = status
        self._clock_offset_ms: int | None = None
        self._run = run or uuid.uuid4().hex

    def stop(self) -> None:
        """Asks the agent to take a last reading, hand it over if it can, and return."""
        self._stopping.set()

    async def run(self) -> None:
        """Counts and syncs up until stopped."""
        async with asyncio.TaskGroup() as tasks:
            loops = [tasks.create_task(self._poll_for_ever()), tasks.create_task(self._sync_for_ever())]
            await self._stopping.wait()
            for loop in loops:
                loop.cancel()
        for last in (self.poll, self.sync):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await last()

    async def _poll_for_ever(self) -> None:
        while True:
            due_ms = self._clock.elapsed_ms() + self._poll_interval_ms
            await self.poll()
            self._tell()
            await self._clock.sleep(max(0, due_ms - self._clock.elapsed_ms()) / 1000)

    async def _sync_for_ever(self) -> None:
        while True:
            wait_ms = self.sync_up.due_ms - self._clock.elapsed_ms()
            if wait_ms > 0:
                await self._clock.sleep(wait_ms / 1000)
            await self.sync()
            self._tell()

    def _tell(self) -> None:
        if self._status is not None:
            with contextlib.suppress(JournalError):
                self._status.write(
                    self.ledger,
                    self.sync_up,
                    self._source_error,
                    self._clock_offset_ms,
                    self._clock.now_ms(),
                    self._clock.elapsed_ms(),
                )

    async def poll(self) -> None:
        """Takes a reading into the journal. A source that does not answer is told once, and tried again."""
        try:
            reading = await self._read()
            if reading is not None:
                self._certain_ledger.record(self._timed(reading))
        except DamagedJournalError:
            raise
        except JournalError as error:
            # Nothing is lost by it: the next reading counts from the baseline that the journal has.
            LOG.error("%s; the next reading tries again", error)
            self._in_doubt = True

    async def _read(self) -> Reading | None:
        try:
            reading = await self._source.read(self._certain_ledger.cursor)
        except SourceError as error:
            if str(error) != self._source_error:
                LOG.warning("no reading of %s: %s", self._server, error)
            self._source_error = str(error)
            return None
        if self._source_error:
            LOG.info("%s can be read again", self._server)
            self._source_error = ""
        return reading

    @property
    def _certain_ledger(self) -> Ledger:
        """The ledger, read from the journal again after an error of it. Raises `JournalError`."""
        if self._in_doubt:
            self.ledger.reload()
            self._in_doubt = False
        return self.ledger

    def _timed(self, reading: Reading) -> Reading:
        """The reading with the time that really passes, and with the log's times on the agent's clock."""
        return msgspec.structs.replace(
            reading,
            run=self._run,
            elapsed_ms=self._clock.elapsed_ms(),
            started_at=reading.started_at + self._log_shift_ms,
            ended=self._shifted(reading.ended),
        )

    @property
    def _log_shift_ms(self) -> int:
        ahead_ms = self._clock.ahead_ms
        return ahead_ms if abs(ahead_ms) > SHIFT_FROM_MS else 0

    def _shifted(self, ended: tuple[EndedConnection, ...]) -> tuple[EndedConnection, ...]:
        shift_ms = self._log_shift_ms
        if not shift_ms:
            return ended
        return tuple(msgspec.structs.replace(line, ended_at=line.ended_at + shift_ms) for line in ended)

    def _heed_clock(self, service_now_ms: int) -> None:
        """Sets the agent's clock right by the service's. It decides where units are filed, not whether they count."""
        self._clock_offset_ms = self._clock.now_ms() - service_now_ms
        if abs(self._clock_offset_ms) > CORRECT_FROM_MS:
            LOG.warning("the clock is %+d ms off against the service's and is corrected", self._clock_offset_ms)
            self._clock.correct(-self._clock_offset_ms)

    async def sync(self) -> None:
        """One sync-up: hands over all that the service has not acknowledged. Failures only move the next attempt."""
        try:
            for _ in range(STEPS_A_SYNC):
                if await self._exchange():
                    self._succeeded()
                    return
                self.sync_up.answered(self._clock.elapsed_ms())
            raise LinkDownError("the service did not come to an acknowledgement; the figures stay in the journal")
        except DamagedJournalError:
            raise
        except JournalError as error:
            self.sync_up.failed(self._clock.elapsed_ms(), str(error))
            LOG.error("%s; the next sync-up tries again", error)
            self._in_doubt = True
            self._note_failure()
        except (LinkError, SourceError) as error:
            retry_after = getattr(error, "retry_after_seconds", None) or 0
            before = self.sync_up.phase
            self.sync_up.failed(self._clock.elapsed_ms(), str(error), int(retry_after * 1000))
            if self.sync_up.phase != before or self.sync_up.failures == 1:
                LOG.warning("%s: %s; figures are kept in the journal", self.sync_up.phase, error)
            self._note_failure()

    def _note_failure(self) -> None:
        """Keeps the account of the outage. Without it nothing is counted less, so that a full disk costs only it."""
        try:
            self._certain_ledger.sync_up_failed(self.sync_up.phase, self.sync_up.last_error, self._clock.now_ms())
        except DamagedJournalError:
            raise
        except JournalError:
            self._in_doubt = True

    def _succeeded(self) -> None:
        if self.sync_up.phase != "online":
            LOG.info("the service has everything again, after %d failures", self.sync_up.failures)
        self._certain_ledger.sync_up_succeeded(self._clock.now_ms())
        self.sync_up.succeeded(self._clock.elapsed_ms())

    async def _exchange(self) -> bool:
        """One question to the service. True once it has everything; raises `LinkError` or `FencedError`."""
        if self._certain_ledger.head.baseline is None:
            return True
        request = self._certain_ledger.epoch_request()
        if request is not None:
            await self._continue_from(await self._link.issue_epoch(request))
            return False
        report = self._certain_ledger.report(self._clock.now_ms(), self.sync_up.reporting_phase)
        if report is None:
            return False
        reply = await self._link.send(report)
        if isinstance(reply, Acknowledgement):
            self._heed_clock(reply.now)
            self._certain_ledger.acknowledge(reply, self._clock.now_ms())
            self._check_fence()
            return reply.acknowledged >= report.upto
        if reply.reason == "held":
            raise LinkDownError(f"the service keeps this report aside for an operator: {reply.error_message}")
        self._certain_ledger.refused(reply)
        return False

    async def _continue_from(self, issued: EpochIssued) -> None:
        first = self._certain_ledger.first_reading()
        after = first.cursor if issued.baseline is None else issued.baseline.cursor
        ended: tuple[EndedConnection, ...] = ()
        misses = ""
        try:
            ended = await self._source.ended_between(after, first.cursor)
        except LogGoneError as error:
            LOG.warning("%s; the time from where the service is to the first reading is covered in part only", error)
            misses = LOG_GONE
        self._heed_clock(issued.now)
        self._certain_ledger.continue_from(issued, self._shifted(ended), misses)
        self._check_fence()

    def _check_fence(self) -> None:
        if self.ledger.head.fenced:
            raise FencedError(
                f"another journal reports for {self._server}: a second agent runs for it, or this journal is an older "
                "copy. The service has the newer figures. Stop the other agent, or move this journal away and start "
                "again: a new journal continues where the service is"
            )

"""`streamtop demo --record FILE`: the demo's outage as a recording, the gap view's part included.

It takes seconds, on a clock that only this script moves: the same seed makes the same bytes.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path

from textual.message import Message

from streamusage.client.usage_client import UsageClient
from tui.app.messages.views import CoveragePolled
from tui.app.poller import Poller
from tui.demo.clock import SteppedClock
from tui.demo.estate import Estate
from tui.demo.headless import prepared_estates
from tui.demo.regions import BEGINS_MS, CUT_OFF, EU, HISTORY_FROM_MS, MONTH_FROM_MS
from tui.model.gaps.coverage_book import CoverageBook
from tui.recording.knowledge import fetch_days
from tui.recording.recording import Recording

STEP_MS = 10_000
BEFORE_STEPS, AWAY_STEPS, AFTER_STEPS = 6, 24, 18
_CARRIERS_EVERY = 6
_HEALED_WITHIN_STEPS = 60


async def make_recording(path: Path, seed: int) -> int:
    """Write the recording and return its number of polls. Raises `RecordingError` before anything runs."""
    clock = SteppedClock(BEGINS_MS, MONTH_FROM_MS)
    tape = Recording(path, clock)
    with tempfile.TemporaryDirectory(prefix="streamtop-demo-") as directory, contextlib.closing(tape):
        async with prepared_estates(Path(directory), clock, seed=seed, regions=(EU,)) as (estate,):
            token = estate.token_file.read_text("utf-8").strip()
            async with UsageClient(estate.url, token, clock=clock) as client:
                return await _Recorder(estate, client, clock, tape).record()


class _Recorder:
    """Moves time forward and polls as a console with an open gap view."""

    def __init__(self, estate: Estate, client: UsageClient, clock: SteppedClock, tape: Recording) -> None:
        self._estate, self._client, self._clock, self._tape = estate, client, clock, tape
        self._book = CoverageBook()
        self._poller = Poller(client, self._apply_message, interval_seconds=86_400, clock=clock)

    async def record(self) -> int:
        self._poller.subscribe(coverage_from_ms=HISTORY_FROM_MS, carriers_from_ms=HISTORY_FROM_MS)
        polling = asyncio.create_task(self._poller.run())
        try:
            await self._until(1)
            await self._record_days()
            await self._live(BEFORE_STEPS)
            await self._estate.cut(CUT_OFF)
            await self._live(AWAY_STEPS)
            await self._estate.heal(CUT_OFF)
            for _ in range(_HEALED_WITHIN_STEPS):
                if not await self._owes():
                    break
                await self._live(1)
            await self._live(AFTER_STEPS)
            await self._record_days()
        finally:
            polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await polling
        return self._poller.polls

    def _apply_message(self, message: Message) -> None:
        self._tape.write_message(message)
        if isinstance(message, CoveragePolled):
            self._book.apply(message.coverage)

    async def _live(self, steps: int) -> None:
        for _ in range(steps):
            await self._clock.pass_time(STEP_MS)
            await self._estate.read_and_sync_up()
            asks_carriers = self._poller.polls % _CARRIERS_EVERY == 0
            self._poller.subscribe(
                at_once=False,
                coverage_from_ms=self._book.changes_from(),
                carriers_from_ms=HISTORY_FROM_MS if asks_carriers else None,
            )
            polls = self._poller.polls
            self._poller.refresh()
            await self._until(polls + 1)

    async def _record_days(self) -> None:
        self._tape.write_days(await fetch_days(self._client, self._clock.now_ms(), "UTC"))

    async def _until(self, polls: int) -> None:
        while self._poller.polls < polls:  # noqa: ASYNC110 - what is waited for is the poller's own state
            await asyncio.sleep(0.001)

    async def _owes(self) -> bool:
        told = (await self._client.servers()).servers
        return any(server.server == CUT_OFF and server.owed_ms for server in told)

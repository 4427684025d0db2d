"""Keeps on a recording what its polls do not have: coverage and daily statistics, from the first second on."""

import asyncio
from datetime import tzinfo

from streamusage.client.errors import UsageApiError
from streamusage.client.usage_client import UsageClient
from tui.model.daily.day_shares import accounting_zone
from tui.model.gaps.coverage_book import CoverageBook
from tui.recording.errors import RecordingError
from tui.recording.knowledge import COVERAGE_MS, fetch_coverage, fetch_days
from tui.recording.recording import PollWriter

COVERAGE_EVERY_SECONDS = 60
DAYS_EVERY = 15
"""Daily statistics are fetched with each fifteenth coverage: a month of a large estate is a long answer."""


async def record_knowledge(client: UsageClient, recording: PollWriter, tz: tzinfo | None) -> None:
    """Write what can have changed once a minute, until the recording cannot be written or this is cancelled.

    A plain Stream Manager has nothing to record. A request that fails is made again a minute later.
    """
    await recording.has_poll.wait()
    book = CoverageBook()
    days_in = 0
    while True:
        at_ms = recording.polled_at_ms
        try:
            if client.has_extension:
                from_ms = at_ms - COVERAGE_MS if book.from_ms is None else book.changes_from()
                polled = await fetch_coverage(client, from_ms, at_ms + COVERAGE_EVERY_SECONDS * 1000)
                book.apply(polled.coverage)
                recording.write_message(polled)
                if days_in <= 0:
                    recording.write_days(await fetch_days(client, at_ms, accounting_zone(tz).key))
                    days_in = DAYS_EVERY
        except UsageApiError:
            pass
        except RecordingError:
            return  # the next poll reports it
        days_in -= 1
        await asyncio.sleep(COVERAGE_EVERY_SECONDS)

"""Thousands of polls of a large plain Stream Manager leave memory flat and no handle open.

`STREAMTOP_POLLS` and `STREAMTOP_SESSIONS` set the size: `.ci/nightly` simulates a day of 100,000 sessions.
"""

import asyncio
import gc
import os
import sys
from random import Random
from typing import NamedTuple

from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.console.scripted_service import SettableClock
from tui.app.messages import SessionsPolled
from tui.app.plain_lists import PlainLists
from tui.app.state import ConsoleState
from tui.config.settings import ConnectionSettings
from tui.model.sessions.filter import parse
from tui.model.sessions.history import PollHistory
from tui.model.sessions.timeline import PollTimeline

POLLS = int(os.environ.get("STREAMTOP_POLLS", "2000"))
SESSIONS = int(os.environ.get("STREAMTOP_SESSIONS", "10000"))
MEASUREMENTS = 10
WARM_AFTER = 4
"""Measurements before the bounded history and timeline are full."""
POLL_MS = 2_000


class ChurningManager(CannedServer):
    """A plain Stream Manager: at each poll one session of a hundred has other figures, and some end and begin."""

    def __init__(self) -> None:
        super().__init__(self._respond)
        self.random = Random(1)
        self.number = 0
        self.rows = [self._row() for _ in range(SESSIONS)]

    def _row(self, number: int | None = None) -> bytes:
        if number is None:
            number = self.number = self.number + 1
        return (
            b'{"name":"cam-%d","scope":"live/r%d","startTime":%d,"endTime":9,"duration":8,"aciveSubscribers":%d,'
            b'"maxSubscribers":9,"lostSubscribers":1,"totalSubscribers":%d,"updated":7}'
        ) % (number, number % 50, number + 1000, self.random.randrange(1000), self.random.randrange(1000))

    def _respond(self, request: ReceivedRequest) -> bytes:
        self.requests.clear()
        random, rows = self.random, self.rows
        if request.path.endswith("/list/stats"):
            streams = [
                b'{"name":"cam-%d","scope":"live/r%d","currentSubscribers":%d}'
                % (number, number % 50, random.randrange(99))
                for number in range(self.number, self.number + 20)
            ]
            return reply(200, b"[" + b",".join(streams) + b"]")
        for _ in range(len(rows) // 100):
            place = random.randrange(len(rows))
            rows[place] = self._row(int(rows[place][13 : rows[place].index(b'"', 13)]))
        for _ in range(3):
            del rows[random.randrange(len(rows))]
            rows.insert(random.randrange(len(rows)), self._row())
        return reply(200, b"[" + b",".join(rows) + b"]")


class Kept(NamedTuple):
    """What the process has."""

    blocks: int
    """Allocated blocks of memory."""
    megabytes: int
    """Resident memory, where the system shows it."""
    files: int
    tasks: int


def measure() -> Kept:
    gc.collect()
    try:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
        files = len(os.listdir("/proc/self/fd"))
    except OSError:
        pages = files = 0
    return Kept(sys.getallocatedblocks(), pages * 4096 // 1_000_000, files, len(asyncio.all_tasks()))


async def test_thousands_of_polls_leave_memory_flat_and_no_handle_open() -> None:
    clock = SettableClock(1_795_000_000_000)
    state = ConsoleState(
        clock=clock,
        host="sm",
        settings=ConnectionSettings(poll_interval_s=POLL_MS / 1000),
        timeline=PollTimeline(most_changes=SESSIONS),
        history=PollHistory(kept_polls=max(1, POLLS // MEASUREMENTS)),
    )
    filters = list(map(parse, ("", "cam-1", "cam-12", "active>500", "")))
    seen: list[Kept] = []
    async with ChurningManager() as server, UsageClient(server.url, "t") as client:
        lists = PlainLists(client)
        for poll in range(POLLS):
            clock.at_ms += POLL_MS
            changes = await lists.poll()
            state.apply_poll(
                SessionsPolled(changes.changed, changes.removed, changes.reset, clock.at_ms, None, "plain")
            )
            assert len(state.store) == SESSIONS + 20
            if poll % 50 == 0:
                state.view.show(filters[poll // 50 % len(filters)])
                state.view.sort("total" if poll % 100 else "active", descending=True)
            if (poll + 1) % (POLLS // MEASUREMENTS) == 0:
                seen.append(measure())
    warm = seen[WARM_AFTER:]
    assert max(kept.blocks for kept in warm) < 1.05 * warm[0].blocks + 1_000, seen
    assert max(kept.megabytes for kept in warm) < 1.1 * warm[0].megabytes + 10, seen
    assert max(kept.files for kept in warm) <= warm[0].files + 3, seen
    assert max(kept.tasks for kept in warm) <= warm[0].tasks + 3, seen

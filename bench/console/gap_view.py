"""Duration of a key press in the gap view with 500 servers and 30 days: `python -m bench.console.gap_view`.

The real screen runs in a headless terminal with the coverage of a service in which each server has one or two gaps a
day. Every key is pressed many times. The exit code is 1 if the slowest press takes more than 16 ms of processor time,
which does not depend on other load of the machine.
"""

import asyncio
import sys
import time
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from bench.console.key_presses import run
from streamusage.api.daily import GapDelta
from streamusage.api.extension import Coverage, CoverageSpan, Placement, Placements, ServerCoverage
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.core.coverage import Provenance
from tui import gc_tuning
from tui.app.console_app import ConsoleApp
from tui.app.messages.views import CoveragePolled
from tui.config.settings import ConnectionSettings
from tui.screens.gaps import GapsScreen

SERVERS, DAYS = 500, 30
MINUTE_MS, DAY_MS = 60_000, 86_400_000
NOW_MS = 20_500 * DAY_MS + 43_200_000
TIMES = 30
KEYS = ("h", "l", "j", "k", "pagedown", "pageup", "H", "L", "n", "N", "o", "minus", "plus", "tab")
_GAPS = (Provenance.BACKFILLED, Provenance.BACKFILLED, Provenance.PARTIAL, Provenance.LOST)


def coverage() -> Coverage:
    """Return a month of coverage of every server."""
    random = Random(1)
    begins = NOW_MS - 2 * DAYS * DAY_MS  # the view keeps one window more than it shows
    servers = []
    for number in range(SERVERS):
        spans, at_ms = [], begins
        while at_ms < NOW_MS:
            live_ms = random.randrange(6 * 60, 24 * 60) * MINUTE_MS
            spans.append(CoverageSpan(from_ms=at_ms, to_ms=min(at_ms + live_ms, NOW_MS), state=Provenance.LIVE))
            at_ms += live_ms
            gap_ms = random.randrange(1, 90) * MINUTE_MS
            if at_ms + gap_ms < NOW_MS:
                state = random.choice(_GAPS)
                spans.append(
                    CoverageSpan(from_ms=at_ms, to_ms=at_ms + gap_ms, state=state, filled_at=at_ms, delta=GapDelta())
                )
                at_ms += gap_ms
        if number % 50 == 0:
            last = spans.pop()
            spans.append(CoverageSpan(from_ms=last.from_ms, to_ms=NOW_MS, state=Provenance.MISSING))
        servers.append(ServerCoverage(server=f"edge-{number:03}", spans=spans))
    return Coverage(now=NOW_MS, from_ms=begins, to_ms=NOW_MS, servers=servers)


def carriers() -> Placements:
    """Return placements of a thousand streams, each on three servers for some hours of the last days."""
    random = Random(2)
    found = []
    for number in range(1_000):
        from_ms = NOW_MS - random.randrange(60, 3 * 24 * 60) * MINUTE_MS
        for server in random.sample(range(SERVERS), 3):
            to_ms = min(NOW_MS, from_ms + 4 * 3_600_000)
            found.append(
                Placement(
                    scope="live", name=f"stream-{number}", server=f"edge-{server:03}", from_ms=from_ms, to_ms=to_ms
                )
            )
    return Placements(now=NOW_MS, carriers=found)


async def measured(directory: Path) -> dict[str, list[float]]:
    """Return the milliseconds of processor time from a key press to the drawn screen, by key."""
    gc_tuning.collect_less_often()  # as the console does
    async with UsageClient("http://127.0.0.1:9", None) as client:
        app = ConsoleApp(
            client,
            ConnectionSettings(profile="bench", poll_interval_s=3600, tz=ZoneInfo("Europe/Berlin")),
            clock=SystemClock(),
            journal_path=directory / "deleted.ndjson",
        )
        async with app.run_test(size=(120, 50)) as pilot:
            await pilot.press("g")
            await pilot.pause()
            screen = app.screen
            assert isinstance(screen, GapsScreen)
            began = time.perf_counter()
            screen.show_coverage(CoveragePolled(coverage(), carriers()))
            print(f"a whole answer applied and drawn: {(time.perf_counter() - began) * 1000:.0f} ms, between polls")
            await pilot.press(*["minus"] * 9)
            taken: dict[str, list[float]] = {key: [] for key in KEYS}
            for _ in range(TIMES):
                for key in KEYS:
                    name, arguments = ACTIONS[key]
                    began = time.thread_time()
                    getattr(screen, f"action_{name}")(*arguments)
                    app.screen._compositor.render_update(full=True)
                    taken[key].append((time.thread_time() - began) * 1000)
                    await asyncio.sleep(0)
            return taken


ACTIONS: dict[str, tuple[str, tuple[int, ...]]] = {
    "h": ("pan", (-1,)),
    "l": ("pan", (1,)),
    "j": ("move", (1,)),
    "k": ("move", (-1,)),
    "pagedown": ("move_page", (1,)),
    "pageup": ("move_page", (-1,)),
    "H": ("page", (-1,)),
    "L": ("page", (1,)),
    "n": ("next_gap", ()),
    "N": ("previous_gap", ()),
    "o": ("order", ()),
    "minus": ("zoom", (1,)),
    "plus": ("zoom", (-1,)),
    "tab": ("other_rows", ()),
}


if __name__ == "__main__":
    sys.exit(run("gap_view", measured))

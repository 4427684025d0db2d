"""Duration of a key press in the days view: `python -m bench.console.days_view`.

The real screen runs in a headless terminal with a month of 500 servers and 2,000 streams: the days of the month, the
servers of a day, and the streams of the month. Every key is pressed many times. The exit code is 1 if the slowest press
takes more than 16 ms of processor time, which does not depend on other load of the machine.
"""

import asyncio
import sys
import time
from datetime import date
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from bench.console.key_presses import run
from streamusage.api.daily import BackfilledPart, CoveredTime, DailyStatistics, DailySums, Percentile, SummedStatistics
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tui import gc_tuning
from tui.app.console_app import ConsoleApp
from tui.app.messages.views import DayRowsPolled, GroupsPolled, MonthPolled
from tui.config.settings import ConnectionSettings
from tui.model.daily.groups import GroupRequest, rows_of_groups
from tui.model.daily.months import first_of, month_of, rows_of
from tui.screens.days import DaysScreen

SERVERS, STREAMS = 500, 2_000
DAY_MS = 86_400_000
TIMES = 30
ACTIONS: dict[str, tuple[str, tuple[int, ...]]] = {
    "j": ("move", (1,)),
    "k": ("move", (-1,)),
    "pagedown": ("move_page", (1,)),
    "pageup": ("move_page", (-1,)),
    "end": ("last", ()),
    "home": ("first", ()),
}


def summed(group: str, first: date, last: date, random: Random) -> SummedStatistics:
    """Return the sum of a group over some days, complete but for a minute."""
    days = (last - first).days + 1
    return SummedStatistics(
        group=group,
        period=first.isoformat() if first == last else first.isoformat()[:7],
        first_day=first.isoformat(),
        last_day=last.isoformat(),
        tz="UTC",
        state="final",
        days=days,
        servers=3,
        connections=random.randrange(100_000),
        connections_by_protocol={"hls": 7, "rtmp": 3},
        bytes_in=random.randrange(10**12),
        bytes_out=random.randrange(10**13),
        peak_in_bps=random.randrange(10**9),
        peak_in_at=1,
        peak_out_bps=random.randrange(10**10),
        peak_out_at=1,
        view_time_ms=random.randrange(10**11),
        average_view_time_ms=60_000,
        percentile_95=Percentile(in_bps=1, out_bps=2, samples=280, expected_samples=288),
        coverage=CoveredTime(live_ms=days * DAY_MS - 60_000, lost_ms=60_000),
        backfilled=BackfilledPart(),
        traffic="measured",
    )


def server_day(name: str, day: date, random: Random) -> DailyStatistics:
    """Return the closed day of a server."""
    row = summed(name, day, day, random)
    common = {field: getattr(row, field) for field in DailyStatistics.__struct_fields__ if hasattr(row, field)}
    common |= {"adjustment": None, "voids": row.voids}
    return DailyStatistics(**common | {"server": name, "day": day.isoformat(), "tz": "UTC"})


async def measured(directory: Path) -> dict[str, list[float]]:
    """Return the milliseconds of processor time from a key press to the drawn screen, by view and key."""
    gc_tuning.collect_less_often()  # as the console does
    random = Random(1)
    async with UsageClient("http://127.0.0.1:9", None) as client:
        app = ConsoleApp(
            client,
            ConnectionSettings(profile="bench", poll_interval_s=3600, tz=ZoneInfo("UTC")),
            clock=SystemClock(),
            journal_path=directory / "deleted.ndjson",
        )
        async with app.run_test(size=(200, 50)) as pilot:
            await pilot.press("y")
            await pilot.pause()
            screen = app.screen
            assert isinstance(screen, DaysScreen)
            first = first_of(screen.first)
            request = GroupRequest.of_month("stream", first)
            days = [first.replace(day=number) for number in range(1, request.last.day + 1)]
            by_day = [summed("all", day, day, random) for day in days]
            whole = [summed("all", first, request.last, random)]
            month = month_of(first, DailySums(now=1, sums=by_day), DailySums(now=1, sums=whole))
            roles = [summed(role, days[0], days[0], random) for role in ("edge", "origin")]
            servers = [server_day(f"edge-{number:03}", days[0], random) for number in range(SERVERS)]
            streams = [summed(f"live/stream-{number:04}", first, request.last, random) for number in range(STREAMS)]
            taken: dict[str, list[float]] = {}
            screen._show_month(MonthPolled(first, month))
            await press_all(screen, "days", taken)
            screen.action_first()
            screen.action_open()
            screen._show_day_rows(DayRowsPolled(days[0], rows_of(days[0], roles, servers)))
            await press_all(screen, "servers of a day", taken)
            screen.action_back()
            screen.action_next_group(1)
            screen._show_groups(GroupsPolled(request, rows_of_groups(request, streams, whole)))
            await press_all(screen, "streams", taken)
            return taken


async def press_all(screen: DaysScreen, view: str, taken: dict[str, list[float]]) -> None:
    """Press every key many times, and add the milliseconds of each press."""
    rows = {"days": 28, "servers of a day": SERVERS, "streams": STREAMS}[view]
    assert screen.table.row_count >= rows, f"the view shows {screen.table.row_count} rows"
    for _ in range(TIMES):
        for key, (name, arguments) in ACTIONS.items():
            began = time.thread_time()
            getattr(screen, f"action_{name}")(*arguments)
            screen._compositor.render_update(full=True)
            taken.setdefault(f"{view}: {key}", []).append((time.thread_time() - began) * 1000)
            await asyncio.sleep(0)


if __name__ == "__main__":
    sys.exit(run("days_view", measured))

"""Opening views over a stream with 50,000 sessions and over one with 10.

`python -m bench.console.stream_detail [SESSIONS]`.

The real service has both streams; the console runs in a headless terminal of 100 x 24 cells. Each view is opened and
closed several times; the figure is the least processor time from the press to the drawn screen, and its ratio.

Then the calculations of a delete and of the journal over all sessions: their processor time, and that of the longest
step, for which a key waits.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Generator
from datetime import UTC
from pathlib import Path
from typing import TypeVar, cast

import msgspec
from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.core.usage import StreamId, UsageRecord
from streamusage.service.server import run_service
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.tokens import Identity, Tokens, digest_of
from tui import gc_tuning
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings
from tui.deletion.journal import DeletedRecord
from tui.deletion.plan import Radius, comparison_steps, plan_steps
from tui.deletion.restore import restorable_steps
from tui.deletion.selection import select_all, select_marked, select_stream
from tui.model.sessions.marks import Marks
from tui.model.sessions.store import SessionStore, from_record
from tui.model.sessions.view import SessionView

FEW = 10
ROUNDS = 5
BATCH = 2_000
HOUR_MS = 3_600_000
VIEWS = (
    ("enter", "detail of the stream"),
    ("D", "dialog that deletes all sessions"),
    ("J", "raw record"),
    ("s", "servers"),
    ("g", "gaps"),
    ("question_mark", "help"),
)

Value = TypeVar("Value")


def records(name: str, sessions: int, now_ms: int) -> list[UsageRecord]:
    """Return ended sessions of one stream, one an hour."""
    return [
        UsageRecord(
            name=name,
            scope="live",
            start_time=start,
            end_time=start + 60_000,
            duration=60_000,
            active_subscribers=0,
            max_subscribers=3,
            lost_subscribers=3,
            total_subscribers=3,
            updated=start + 60_001,
        )
        for start in range(now_ms - HOUR_MS * sessions, now_ms - HOUR_MS + 1, HOUR_MS)
    ]


async def open_and_close(pilot: Pilot[int], key: str) -> float:
    """Return the milliseconds of processor time from the press to the drawn screen."""
    began, below = time.thread_time(), pilot.app.screen
    is_beside = key == "enter"  # the detail is no screen of its own
    await pilot.press(key)
    while pilot.app.screen is below and not is_beside:
        await pilot.pause()
    taken_ms = (time.thread_time() - began) * 1000
    await pilot.press("escape")
    return taken_ms


async def measure(sessions: int, directory: Path) -> None:
    """Print the times of each view."""
    tokens = Tokens({digest_of("admin"): Identity("boss", "admin")})
    clock = SystemClock()
    async with (
        run_service(store_url=sqlite_url(directory / "usage.db"), tokens=tokens, clock=clock) as running,
        UsageClient(running.url, "admin") as client,
    ):
        for name, number in (("few", FEW), ("many", sessions)):
            listed = records(name, number, clock.now_ms())
            for first in range(0, number, BATCH):
                await client.import_records(listed[first : first + BATCH])
        app = ConsoleApp(client, ConnectionSettings(poll_interval_s=3600), clock=clock, journal_path=directory / "j")
        async with app.run_test(size=(100, 24)) as pilot:
            while len(app.state.store) < sessions + FEW or not app.poller.is_idle:
                await pilot.pause(0.1)
            taken: dict[str, dict[str, float]] = {}
            for name in ("few", "many"):
                app.sessions_screen._filter(f"name={name}")
                await pilot.pause(1)
                for key, _ in VIEWS:
                    times = [await open_and_close(pilot, key) for _ in range(ROUNDS)]
                    taken.setdefault(key, {})[name] = min(times)
    for key, label in VIEWS:
        few, many = taken[key]["few"], taken[key]["many"]
        print(f"{label:34}{FEW} sessions {few:7.1f} ms  {sessions:,} sessions {many:7.1f} ms  ratio {many / few:5.1f}")


def measure_steps(sessions: int) -> None:
    """Print the times of the calculations."""
    gc_tuning.collect_less_often()
    listed = records("many", sessions, SystemClock().now_ms())
    store = SessionStore()
    view = SessionView(store)
    view.update(store.apply(map(from_record, listed)))
    gc_tuning.freeze_after_large_poll(len(store))
    stream, marks = StreamId("live", "many"), Marks()
    begun = time.thread_time()
    marks.add(view.all_keys())
    print(f"{'mark all that is shown':34}{(time.thread_time() - begun) * 1000:7.1f} ms")
    marked = marks.freeze()
    plan = time_steps("plan of a stream", lambda: plan_steps(select_stream(store, view, stream), Radius.STREAM, "sm"))
    time_steps("plan of marked sessions", lambda: plan_steps(select_marked(store, view, marked), Radius.MARKED, "sm"))
    time_steps("plan of everything", lambda: plan_steps(select_all(store, view), Radius.EVERYTHING, "sm"))
    time_steps("comparison before a delete", lambda: comparison_steps(plan, listed))
    deleted = [
        DeletedRecord(**msgspec.structs.asdict(record), deleted_at=number // 9, service="sm")
        for number, record in enumerate(listed)
    ]
    time_steps("list of deleted records", lambda: restorable_steps(deleted, store.__contains__, 1, UTC))


def time_steps(label: str, calculate: Callable[[], Generator[None, None, Value]]) -> Value:
    """Print the time of a calculation and of its longest step, beginning included; return its result."""
    taken, ended = list[float](), False
    began = time.thread_time()
    steps = calculate()
    while not ended:
        try:
            next(steps)
        except StopIteration as end:
            result, ended = end.value, True
        taken.append((time.thread_time() - began) * 1000)
        began = time.thread_time()
    print(f"{label:34}{sum(taken):7.1f} ms  longest step {max(taken):5.1f} ms")
    return cast("Value", result)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sessions", nargs="?", type=int, default=50_000)
    with tempfile.TemporaryDirectory() as scratch:
        sessions = parser.parse_args().sessions
        asyncio.run(measure(sessions, Path(scratch)))
    measure_steps(sessions)


if __name__ == "__main__":
    main()

"""Opening views over a stream with 50,000 sessions and over one with 10.

`python -m bench.console.stream_detail [SESSIONS]`.

The real service has both streams; the console runs in a headless terminal of 100 x 24 cells. Each view is opened and
closed several times; the figure is the least processor time of the press, drawing included, and its ratio.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.core.usage import UsageRecord
from streamusage.service.server import run_service
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.tokens import Identity, Tokens, digest_of
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings

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
    began = time.thread_time()
    await pilot.press(key)
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


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sessions", nargs="?", type=int, default=50_000)
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(measure(parser.parse_args().sessions, Path(scratch)))


if __name__ == "__main__":
    main()

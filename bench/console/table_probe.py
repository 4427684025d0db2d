"""The console over a plain Stream Manager, measured from inside: `python -m bench.console.table_probe PORT SESSIONS`.

Prints a JSON object. The console runs without a terminal; a frame is what it hands to its driver.
"""

import asyncio
import resource
import sys
import tempfile
import time
from asyncio import Handle
from pathlib import Path
from statistics import median

import msgspec
from textual import events

from bench.percentiles import percentile
from streamusage.client.lenient_live_list import ListedStream
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tui import gc_tuning
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings
from tui.widgets.lines import Line

KEYS = 60
POLLS = 3
POLL_SECONDS = 1.0
MEGABYTE = 1_000_000
STYLES = Path(__file__).parents[2] / "tui/styles/console.tcss"


# The probe looks at the state between frames: an event would add the delay of its task.
# ruff: noqa: ASYNC110


class CallbackTimes:
    """Processor time of the longest callback of the event loop since the last `take`."""

    def __init__(self) -> None:
        self.longest = 0.0
        run = Handle._run

        def timed(handle: Handle) -> None:
            began = time.thread_time()
            run(handle)
            self.longest = max(self.longest, time.thread_time() - began)

        Handle._run = timed  # type: ignore[method-assign]

    def take(self) -> float:
        longest, self.longest = self.longest, 0.0
        return 1000 * longest


class ProbedClient(UsageClient):
    """Notes when the last byte of a poll has arrived."""

    last_byte_at = 0.0
    polls = 0
    polling = False

    async def usage_since(self, *arguments):  # type: ignore[no-untyped-def]
        self.polling = True
        return await super().usage_since(*arguments)

    async def live_list(self) -> list[ListedStream]:
        rows = await super().live_list()
        self.last_byte_at = time.perf_counter()
        self.polls += 1
        self.polling = False
        return rows


class ProbedApp(ConsoleApp):
    """Notes when frames are drawn."""

    CSS_PATH = STYLES
    first_table_at = 0.0
    painted_at = 0.0
    frame = None

    def post_display_hook(self) -> None:
        now = time.perf_counter()
        if not self.first_table_at and self.state.has_figures and self.sessions_screen.is_drawn:
            self.first_table_at = now
        self.painted_at = now
        if self.frame is not None:
            self.frame.set()


async def press(app: ProbedApp, key: str) -> tuple[float, float]:
    """Press a key. Returns the milliseconds until the cursor and until the status line is drawn."""
    table, status = app.sessions_screen.table, app.sessions_screen.query_one("#status", Line)
    row, shown = table.cursor_row, status._right
    app.frame = asyncio.Event()
    cursor_ms = 0.0
    began = time.perf_counter()
    app.post_message(events.Key(key, key if len(key) == 1 else None))
    while True:
        await app.frame.wait()
        app.frame.clear()
        if not cursor_ms and table.cursor_row != row:
            cursor_ms = 1000 * (app.painted_at - began)
        if status._right != shown:
            app.frame = None
            return cursor_ms, 1000 * (app.painted_at - began)


async def press_keys(app: ProbedApp, client: ProbedClient, *, while_polling: bool) -> tuple[list[float], list[float]]:
    """Return the times of keys, each in the pause between polls or while one is under way."""
    cursor, status = [], []
    for number in range(KEYS):
        while client.polling != while_polling:
            if while_polling:
                app.poller.refresh()
            await asyncio.sleep(0.002)
        took = await press(app, "pagedown" if number % 3 == 0 else "j")
        cursor.append(took[0])
        status.append(took[1])
        await asyncio.sleep(0.05)
    return cursor, status


async def arranged(app: ProbedApp, callbacks: CallbackTimes, *keys: str) -> tuple[float, float]:
    """Press keys that arrange the table. Returns the processor time until its frame, and the longest callback."""
    took = []
    callbacks.take()
    for key in keys:
        view, drawn = app.state.view, asyncio.Event()
        before = (view.column, view.filter.text)
        began = time.process_time()
        app.post_message(events.Key(key, key if len(key) == 1 else None))
        while view.is_arranging or (view.column, view.filter.text) == before:
            await asyncio.sleep(0.001)
        app.call_after_refresh(drawn.set)
        await drawn.wait()
        took.append(1000 * (time.process_time() - began))
        await asyncio.sleep(0.1)
    return median(took), callbacks.take()


async def measure(port: int, sessions: int) -> dict[str, float]:
    gc_tuning.collect_less_often()  # as the console does
    callbacks = CallbackTimes()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        async with ProbedClient(f"http://127.0.0.1:{port}", "t") as client:
            settings = ConnectionSettings(poll_interval_s=POLL_SECONDS)
            app = ProbedApp(client, settings, clock=SystemClock(), journal_path=Path(directory) / "j")
            async with app.run_test(size=(200, 50)) as pilot:
                callbacks.take()
                while not app.first_table_at:
                    await asyncio.sleep(0.01)
                found["first_table_ms"] = 1000 * (app.first_table_at - client.last_byte_at)
                found["first_callback_ms"] = callbacks.take()
                found["first_peak_mb"] = peak_mb()
                await pilot.pause(0.2)
                callbacks.take()
                polls, used, began = client.polls, time.process_time(), time.perf_counter()
                while client.polls < polls + POLLS:
                    app.poller.refresh()
                    await asyncio.sleep(0.05)
                found["poll_cpu_ms"] = 1000 * (time.process_time() - used) / POLLS
                found["poll_seconds"] = (time.perf_counter() - began) / POLLS
                found["steady_callback_ms"] = callbacks.take()
                for name, while_polling in (("key", False), ("key_in_poll", True)):
                    cursor, status = await press_keys(app, client, while_polling=while_polling)
                    found[f"{name}_p50_ms"], found[f"{name}_p99_ms"] = median(cursor), percentile(cursor, 0.99)
                    found[f"{name}_status_p50_ms"] = median(status)
                app.poller.interval_seconds = 3600
                while client.polling:
                    await asyncio.sleep(0.01)
                await pilot.pause(0.5)
                found["sort_ms"], found["sort_callback_ms"] = await arranged(app, callbacks, *"oooooo")
                await pilot.press("slash")
                await pilot.pause(0.2)
                found["filter_ms"], found["filter_callback_ms"] = await arranged(app, callbacks, *"camera")
                found["peak_mb"] = peak_mb()
    return found


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE


if __name__ == "__main__":
    print(msgspec.json.encode(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2])))).decode())

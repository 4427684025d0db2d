"""Speed of the console's table with 100,000 records: `python -m bench.console_table`.

The baseline of each run is plain decoding and sorting of the same records. On a shared machine, a ratio is more
reliable than milliseconds.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import msgspec
from textual import events

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.core.usage import UsageRecord
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tui.app import gc_tuning
from tui.app.console_app import ConsoleApp
from tui.app.messages import SessionsPolled
from tui.config.settings import ConnectionSettings

RECORDS = 100_000
KEYS = 60
NOW = SystemClock().now_ms()


def records(polled: int) -> list[UsageRecord]:
    """Return records of which one in a hundred changes at every poll."""
    result = []
    for number in range(RECORDS):
        moved = polled if number % 100 == polled % 100 else 0
        result.append(
            UsageRecord(
                name=f"camera-{number}", scope=f"live/room{number % 97}", start_time=NOW - number * 1000 - 1,
                end_time=NOW, duration=number, active_subscribers=number % 700 + moved, max_subscribers=900,
                lost_subscribers=number % 31, total_subscribers=number % 9000, updated=NOW,
            )
        )  # fmt: skip
    return result


async def key_to_screen(app: ConsoleApp, key: str) -> float:
    """Return the seconds from a key press to the drawn line under the cursor."""
    table, drawn = app.sessions_screen.table, asyncio.Event()
    row, began = table.cursor_row, time.perf_counter()
    app.post_message(events.Key(key, key if len(key) == 1 else None))
    while table.cursor_row == row:  # noqa: ASYNC110 - an event would add the delay of its task
        await asyncio.sleep(0)
    app.call_after_refresh(drawn.set)
    await drawn.wait()
    return time.perf_counter() - began


async def measure() -> None:
    gc_tuning.collect_less_often()  # as the console does
    bodies = [msgspec.json.encode(records(polled)) for polled in range(3)]
    began = time.perf_counter()
    plain = sorted(
        msgspec.json.decode(bodies[0], type=list[UsageRecord]), key=lambda record: -record.active_subscribers
    )
    baseline = time.perf_counter() - began
    assert len(plain) == RECORDS
    polls, last_byte = 0, 0.0

    def answer(asked: ReceivedRequest) -> bytes:
        nonlocal polls, last_byte
        if asked.path.startswith("/api/"):
            return reply(404, "<html>", "text/html")
        if asked.path.endswith("/list/stats"):
            last_byte = time.perf_counter()
            return reply(200, "[]")
        polls += 1
        return reply(200, bodies[polls % len(bodies)])

    with tempfile.TemporaryDirectory() as directory:
        async with CannedServer(answer) as server, UsageClient(server.url, "t") as client:
            app = ConsoleApp(
                client, ConnectionSettings(poll_interval_s=0.2), clock=SystemClock(), journal_path=Path(directory) / "j"
            )
            table_at = 0.0
            heard = app.state.apply_poll

            def apply_poll(polled: SessionsPolled):  # type: ignore[no-untyped-def]
                nonlocal table_at
                changes = heard(polled)
                app.call_after_refresh(lambda: None)
                if not table_at:
                    table_at = -1
                    app.call_after_refresh(drawn)
                return changes

            def drawn() -> None:
                nonlocal table_at
                table_at = time.perf_counter()

            app.state.apply_poll = apply_poll  # type: ignore[method-assign]
            async with app.run_test(size=(200, 50)) as pilot:
                while table_at <= 0:
                    await pilot.pause(0.01)
                first = table_at - last_byte
                keys = []
                for number in range(KEYS):
                    keys.append(await key_to_screen(app, "pagedown" if number % 3 else "j"))
                    await asyncio.sleep(0.1)
                worst_poll = max(app.state.latency.splits, key=lambda split: split.apply_ms or 0)
    print(f"baseline: decode and sort {RECORDS:,} records     {1000 * baseline:8.0f} ms")
    print(f"live list's last byte to first table        {1000 * first:8.0f} ms  {first / baseline:6.1f} x")
    print(f"key to screen while polling, median         {1000 * statistics.median(keys):8.1f} ms")
    print(f"key to screen while polling, worst of {KEYS}    {1000 * max(keys):8.1f} ms  {max(keys) / baseline:6.2f} x")
    print(f"polls meanwhile                             {polls:8d}")
    print(f"longest apply of a poll                     {worst_poll.apply_ms or 0:8.1f} ms")


if __name__ == "__main__":
    asyncio.run(measure())

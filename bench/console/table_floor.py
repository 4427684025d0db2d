"""What the console's table is compared with: `python -m bench.console.table_floor SESSIONS` prints a JSON object.

- decoding the list's bytes, and sorting the records by one figure, with nothing kept;
- a minimal line table of Textual over the same rows, with a cursor and a status line: the same keys are pressed in it.
"""

import asyncio
import sys
import time
from statistics import median

import msgspec
from rich.segment import Segment
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from bench.console.listing_service import listing
from bench.percentiles import percentile
from streamusage.core.usage import UsageRecord

KEYS = 60


class FloorTable(ScrollView, can_focus=True):
    """Lines of text with a cursor."""

    def __init__(self, rows: list[str]) -> None:
        super().__init__()
        self.rows = rows
        self.cursor = 0
        self.virtual_size = Size(200, len(rows))

    def render_line(self, y: int) -> Strip:
        row = self.scroll_offset.y + y
        text = self.rows[row] if row < len(self.rows) else ""
        mark = "> " if row == self.cursor else "  "
        return Strip([Segment((mark + text).ljust(self.size.width)[: self.size.width])])

    def move(self, rows: int) -> None:
        before, self.cursor = self.cursor, min(len(self.rows) - 1, max(0, self.cursor + rows))
        top = self.scroll_offset.y
        if not top <= self.cursor < top + self.size.height:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        for row in (before, self.cursor):
            self.refresh(Region(0, row - self.scroll_offset.y, self.size.width, 1))


class FloorApp(App[None]):
    """The table and a status line."""

    def __init__(self, rows: list[str]) -> None:
        super().__init__()
        self.table = FloorTable(rows)
        self.painted = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield self.table
        yield Static("", id="status")

    def on_key(self, event: events.Key) -> None:
        self.table.move(1 if event.key == "j" else 40)
        self.query_one("#status", Static).update(str(self.table.cursor))

    def post_display_hook(self) -> None:
        self.painted.set()


async def press_keys(app: FloorApp) -> list[float]:
    """Return the milliseconds from each key to its frame."""
    took = []
    async with app.run_test(size=(200, 50)) as pilot:
        await pilot.pause(0.2)
        for number in range(KEYS):
            app.painted.clear()
            key = "j" if number % 3 else "pagedown"
            began = time.perf_counter()
            app.post_message(events.Key(key, key if len(key) == 1 else None))
            await app.painted.wait()
            took.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(0.05)
    return took


def measure(sessions: int) -> dict[str, float]:
    body = listing(sessions, 0)
    decodes = []
    for _ in range(3):
        began = time.perf_counter()
        records = msgspec.json.decode(body, type=list[UsageRecord])
        decodes.append(1000 * (time.perf_counter() - began))
    began = time.perf_counter()
    records.sort(key=lambda record: -record.active_subscribers)
    sort_ms = 1000 * (time.perf_counter() - began)
    rows = [f"{record.scope}/{record.name} {record.active_subscribers}" for record in records]
    keys = asyncio.run(press_keys(FloorApp(rows)))
    return {
        "decode_ms": median(decodes),
        "sort_ms": sort_ms,
        "key_p50_ms": median(keys),
        "key_p99_ms": percentile(keys, 0.99),
    }


if __name__ == "__main__":
    print(msgspec.json.encode(measure(int(sys.argv[1]))).decode())

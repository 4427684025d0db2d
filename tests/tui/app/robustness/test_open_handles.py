"""Hours of polls with every kind of fault leave no open file, task, thread or object behind.

`test_memory_growth.py` simulates the polls of a whole day.
"""

import asyncio
import gc
import json
import os
import threading
import weakref
from pathlib import Path
from types import FrameType, TracebackType
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.console.pilot import is_gap_grid_drawn, open_console, wait_for, wait_for_figures
from tests.support.console.records import recent
from tests.support.waiting import PATIENT, wait_until
from tui.app.actions import Context
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings
from tui.model.sessions.history import PollHistory
from tui.model.sessions.timeline import MOST_CHANGES, PollTimeline
from tui.recording.recording import Recording

ROUNDS = 7
POLLS_A_ROUND = 60
WARM_AFTER = 2
KEYS = [
    "enter",
    "j",
    "escape",
    "s",
    "escape",
    "g",
    "escape",
    "y",
    "escape",
    "colon",
    "escape",
    "d",
    "escape",
    "D",
    "escape",
    "L",
    "escape",
    "question_mark",
    "escape",
    "slash",
    "escape",
    "p",
    "comma",
    "0",
    "space",
    "escape",
    "B",
]


FAILURES = (BaseException, TracebackType, FrameType)


class OpenHandles(NamedTuple):
    files: int
    tasks: int
    threads: int
    objects: int
    """Objects of our own classes, exceptions and their frames. Textual's slowly growing caches are not counted."""


def open_handles() -> OpenHandles:
    gc.unfreeze()  # what the console froze after its first list is not among the listed objects
    gc.collect()
    files = len(os.listdir("/proc/self/fd"))
    objects = sum(isinstance(found, FAILURES) or is_ours(found) for found in gc.get_objects())
    return OpenHandles(files, len(asyncio.all_tasks()), threading.active_count(), objects)


def is_ours(value: object) -> bool:
    module = getattr(type(value), "__module__", "")
    return isinstance(module, str) and module.partition(".")[0] in ("tui", "streamusage")


def record(number: int, polls: int) -> dict[str, object]:
    start = recent(60 + number)
    return {
        "name": f"cam-{number}-{polls // 40}", "scope": "live", "startTime": start, "endTime": start + 5, "duration": 5,
        "aciveSubscribers": polls % 97, "maxSubscribers": 99, "lostSubscribers": 1, "totalSubscribers": polls,
        "updated": start + 6, "live": number < 3, "provenance": "live",
    }  # fmt: skip


class FaultyServer(CannedServer):
    """A service with a different fault every few polls."""

    def __init__(self) -> None:
        super().__init__(self._respond)
        self.polls = 0
        self.faults = 0

    async def _respond(self, request: ReceivedRequest) -> bytes:
        now = SystemClock().now_ms()
        if request.path.endswith("/changes"):
            self.polls += 1
            if fault := {3: "silent", 5: "broken off", 7: "refused", 9: "broken", 11: "gone"}.get(self.polls % 13):
                self.faults += 1
                if fault == "silent":
                    await asyncio.sleep(0.2)
                return {
                    "silent": b"",
                    "broken off": reply(200, "[" * 400)[:-99],
                    "refused": reply(500, '{"errorMessage": "busy", "timestamp": 1}'),
                    "broken": reply(200, '{"now": 1,'),
                    "gone": b"",
                }[fault]
            records = [record(number, self.polls) for number in range(8)]
            changes = {"now": now, "cursor": str(self.polls), "records": records, "deleted": [], "reset": True}
            return reply(200, json.dumps(changes))
        if request.path.endswith("/servers"):
            return reply(200, json.dumps({"now": now, "servers": []}))
        if request.path.endswith("/coverage"):
            return reply(200, json.dumps({"now": now, "from": 0, "to": now, "servers": []}))
        return reply(404, '{"errorMessage": "not here", "timestamp": 1}')


@pytest.mark.usefixtures("fast_keys")
async def test_hours_of_failures_leak_no_files_tasks_or_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # The bounded history and timeline are full before the first measurement.
    monkeypatch.setattr(PollTimeline.__init__, "__defaults__", (POLLS_A_ROUND, MOST_CHANGES))
    monkeypatch.setattr(PollHistory.__init__, "__defaults__", (POLLS_A_ROUND,))
    clock = SystemClock()
    async with (
        FaultyServer() as server,
        UsageClient(server.url, "t", options=replace(PATIENT, silence_seconds=0.05)) as client,
    ):
        tape = Recording(tmp_path / "tape", clock)
        app = ConsoleApp(
            client, ConnectionSettings(poll_interval_s=3600), clock=clock, journal_path=tmp_path / "j", recording=tape
        )

        async def poll_continuously() -> None:
            while True:
                app.poller.refresh()
                await asyncio.sleep(0.002)

        async with app.run_test(size=(80, 20)) as pilot:
            await wait_for_figures(pilot)
            seen: list[OpenHandles] = []
            for number in range(ROUNDS):
                for key in KEYS:
                    await pilot.press(key)
                enough = server.polls + POLLS_A_ROUND
                polling = asyncio.create_task(poll_continuously())
                await wait_for(pilot, lambda enough=enough: server.polls >= enough, "the polls")
                polling.cancel()
                await wait_for(pilot, lambda: app.poller.is_idle, "the end of the last poll")
                while app.screen is not app.sessions_screen:
                    app.pop_screen()
                    await pilot.pause()
                for bundle in await asyncio.to_thread(lambda: list(tmp_path.glob("*.tar.gz"))):
                    bundle.unlink()
                if number >= WARM_AFTER:
                    seen.append(open_handles())

            def nothing_leaks() -> bool:
                """Return whether nothing leaked. On a busy machine some objects are freed only before a later call."""
                seen.append(open_handles())
                first, last = seen[0], seen[-1]
                return (
                    last.files <= first.files + 2
                    and last.tasks <= first.tasks + 3
                    and last.threads <= first.threads
                    and last.objects <= first.objects + 20
                )

            await wait_until(nothing_leaks, "no handle leaks", last_seen=lambda: seen[:9], every_seconds=0.5)
        tape.close()
    assert server.faults > ROUNDS * POLLS_A_ROUND // 4


async def test_closed_gap_views_are_garbage_collected(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        seen = []
        for _ in range(4):
            await pilot.press("g")
            await wait_for(pilot, lambda: is_gap_grid_drawn(app), "the coverage")
            seen.append(weakref.ref(app.screen))
            await pilot.press("escape")
            await wait_for(pilot, lambda: app.screen is app.sessions_screen, "the sessions")
        gc.collect()
        assert not any(view() for view in seen[:-1]), "the last view is freed with the next one"

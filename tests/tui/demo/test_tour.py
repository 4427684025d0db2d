"""The tour from start to end in one process: every caption fits 80 columns and waits for its key."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from streamusage.client.usage_client import UsageClient
from streamusage.core.coverage import Provenance
from tests.support.console.frozen_service import frozen_service
from tests.support.console.pilot import wait_for, wait_for_figures
from tui.demo.headless import demo_clock, prepared_estates
from tui.demo.regions import BEGINS_MS, DAY_MS, EU
from tui.demo.tour import STEPS, Caption, TourApp
from tui.model.text import width
from tui.screens.days import DaysScreen
from tui.screens.gaps import GapsScreen

MIDNIGHT = BEGINS_MS - BEGINS_MS % DAY_MS + DAY_MS


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.caption[0][:20])
def test_caption_fits_80_columns(step: object) -> None:
    assert [text for text in step.caption if width(text) > 79] == []  # type: ignore[attr-defined]


async def test_tour_advances_by_keys_and_backfills_over_midnight(tmp_path: Path) -> None:
    async with prepared_estates(tmp_path, demo_clock(), seed=1, regions=(EU,)) as (estate,):
        living = asyncio.create_task(estate.live(1, outage=False))
        commands: list[str] = []
        tasks = []

        def send_line(line: str) -> None:
            commands.append(line)
            # Midnight after 20 s. At several times this speed the estate leaves a busy machine no time for the console.
            faster = "speed 30" if line.startswith("speed") else line
            tasks.append(asyncio.create_task(estate.execute(faster)))

        async with UsageClient(estate.url, estate.token_file.read_text().strip()) as client:
            app = TourApp(client, send_line, tmp_path / "deleted.ndjson")
            async with app.run_test(size=(80, 24)) as pilot:
                await wait_for(pilot, lambda: len(app.state.view) and app.screen.query(Caption), "the first caption")
                for number, key in ((1, "enter"), (2, "escape"), (3, "g")):
                    await pilot.press(key)
                    await wait_for(pilot, lambda number=number: (app.step or 0) >= number, f"step {number}")
                await wait_for(pilot, lambda: app.step == 4, "the gap")
                await pilot.press("ctrl+n")
                await wait_for(pilot, lambda: app.step == 7, "midnight and the healing")
                gaps = next(screen for screen in app.screen_stack if isinstance(screen, GapsScreen))
                spans = [span for span in gaps.book.servers["edge-2"].spans if span.to_ms > BEGINS_MS]
                filled = [span for span in spans if span.state is Provenance.BACKFILLED]
                assert filled[0].from_ms < MIDNIGHT < filled[-1].to_ms
                assert commands == ["cut edge-2", "speed 20", "crash edge-1", "heal edge-2"]
                await pilot.press("n", "n", "enter")
                await wait_for(pilot, lambda: app.step == 8, "the gap in full")
                await pilot.press("escape", "y")
                await wait_for(pilot, lambda: app.step == 9, "the days")
                days = app.screen
                assert isinstance(days, DaysScreen)
                await wait_for(pilot, lambda: len(days._rows()) == 29, "the month, and the day after midnight")
                await pilot.press("shift+tab")
                await wait_for(pilot, lambda: app.step == 10, "the customers")
                while app.screen is not app.sessions_screen:
                    await pilot.press("escape")
                await wait_for(pilot, lambda: app.step == 11, "the sessions")
                await pilot.press("end")
                while app.step == 11:  # deletes are off while the machine is too busy to poll in time
                    await wait_for(pilot, lambda: app.state.freshness().allows_deletes, "fresh figures")
                    await pilot.press("d")
                    await wait_for(
                        pilot, lambda: app.step == 12 or not app.state.freshness().allows_deletes, "the dialog"
                    )
                await pilot.press("enter")
                await wait_for(pilot, lambda: app.step == 13, "the end")
                await pilot.press("ctrl+t")
                await pilot.pause()
                assert not app.screen.query(Caption)
        living.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await living


async def test_tour_runs_one_poller_and_one_sessions_screen(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with frozen_service(store_of_an_hour, tmp_path) as (client, _):
        app = TourApp(client, lambda line: None, tmp_path / "deleted.ndjson")
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for_figures(pilot)
            assert [worker.group for worker in app.workers].count("poll") == 1
            assert app.screen_stack.count(app.sessions_screen) == 1


async def test_end_of_the_console_ends_the_tour(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with frozen_service(store_of_an_hour, tmp_path) as (client, _):
        app = TourApp(client, lambda line: None, tmp_path / "deleted.ndjson")
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for(pilot, lambda: app.screen.query(Caption), "the first caption")
        app._check()  # its timer may be due after the last screen is gone

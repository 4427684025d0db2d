"""A key that cannot act says why: on an empty table, on a heading, at the end of what is kept."""

import asyncio
from pathlib import Path

import pytest

from tests.support.console.pilot import console, screen_text, wait_for, wait_for_figures
from tests.support.console.records import recent, record, service_with
from tests.support.waiting import LONGEST_WAIT_S

ON_AN_EMPTY_TABLE = [
    ("enter", "no detail here: the table has no session"),
    ("J", "no record here: the table has no session"),
    ("c", "no command here: the table has no session"),
    ("space", "nothing to mark here: the table has no session"),
    ("shift+down", "nothing to mark here: the table has no session"),
    ("d", "nothing to delete here: the table has no session"),
    ("D", "nothing to delete here: the table has no session"),
    ("0", "the table is live"),
]
IN_OTHER_VIEWS = [
    ("s", "enter", "no gaps to open: no server is known"),
    ("g", "enter", "there is no gap here"),
    ("g", "equals_sign", "no finer cells"),
]


@pytest.mark.usefixtures("fast_keys")
async def test_keys_on_an_empty_table(tmp_path: Path) -> None:
    async with (
        service_with(tmp_path, []) as client,
        console(client, tmp_path).run_test(size=(100, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        for key, reason in ON_AN_EMPTY_TABLE:
            await pilot.press(key)
            await wait_for(pilot, lambda reason=reason: reason in screen_text(app), f"{reason!r} after {key}")


@pytest.mark.usefixtures("fast_keys")
async def test_keys_of_other_views_without_anything_to_open(tmp_path: Path) -> None:
    async with (
        service_with(tmp_path, []) as client,
        console(client, tmp_path).run_test(size=(100, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        for view, key, reason in IN_OTHER_VIEWS:
            await pilot.press(view)
            await wait_for(pilot, lambda: app.screen is not app.sessions_screen and app.screen.is_drawn, view)
            for _ in range(9):
                await pilot.press(key)
            await wait_for(pilot, lambda reason=reason: reason in screen_text(app), f"{reason!r} after {key}")
            await pilot.press("escape")
            await wait_for(pilot, lambda: app.screen is app.sessions_screen, "the sessions")


@pytest.mark.usefixtures("fast_keys")
async def test_keys_on_a_heading_and_at_the_ends_of_the_polls(tmp_path: Path) -> None:
    async with (
        service_with(tmp_path, [record("cam", recent(60))]) as client,
        console(client, tmp_path).run_test(size=(100, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await pilot.press("full_stop")
        await wait_for(pilot, lambda: "this is the newest poll; 0 returns to live" in screen_text(app), "why")
        await pilot.press("0")
        async with asyncio.timeout(LONGEST_WAIT_S):
            while "no earlier poll is kept" not in screen_text(app):  # a busy machine may have made many polls
                await pilot.press("comma")
        await pilot.press("0", "t", "up", "up", "J")
        await wait_for(pilot, lambda: "no record here: this is the heading of a scope" in screen_text(app), "why")

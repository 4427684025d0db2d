"""The terminal's own cursor is at the selection of every view, and in the field that is typed into."""

from pathlib import Path

import pytest
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.widgets import Input

from tests.support.console.pilot import console, screen_text, wait_for, wait_for_figures
from tests.support.console.records import recent, record, service_with
from tui.app.console_app import ConsoleApp
from tui.display.stage import Stage


def line_at_cursor(app: ConsoleApp) -> str:
    return screen_text(app).split("\n")[app.cursor_position.y]


async def selected(pilot: Pilot[int], app: ConsoleApp, text: str) -> None:
    await wait_for(pilot, lambda: "▸" in line_at_cursor(app) and text in line_at_cursor(app), f"the cursor at {text}")


@pytest.mark.usefixtures("fast_keys")
async def test_cursor_follows_the_selection_and_the_field(tmp_path: Path) -> None:
    records = [record(f"cam-{number}", recent(number + 1)) for number in range(30)]
    async with (
        service_with(tmp_path, records) as client,
        console(client, tmp_path).run_test(size=(100, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await selected(pilot, app, "cam-")
        first = app.cursor_position
        await pilot.press("j", "j")
        await wait_for(pilot, lambda: app.cursor_position == first + Offset(0, 2), "two rows down")
        await selected(pilot, app, "cam-")
        await pilot.press("end")  # the table scrolls
        await selected(pilot, app, "cam-")
        await pilot.press("slash", "c", "a")
        field = app.focused
        assert isinstance(field, Input)
        await wait_for(pilot, lambda: app.cursor_position == field.cursor_screen_offset, "the field")
        assert field.region.contains_point(app.cursor_position)
        await pilot.press("escape")
        await selected(pilot, app, "cam-")


def test_cursor_at_the_selection_costs_a_few_bytes_of_a_frame_and_none_of_an_empty_one() -> None:
    def sent(*frames: str) -> list[str]:
        stage = Stage(80, 24)
        return [stage.receive(frame) for frame in frames]

    changed, same = "\x1b[5;10Habc", "\x1b[5;10Habc"
    at_home = sent(changed + "\x1b[1;1H", same + "\x1b[1;1H")
    at_row = sent(changed + "\x1b[12;1H", same + "\x1b[12;1H")
    assert at_row[1] == at_home[1] == "", "a frame without changes sends nothing"
    assert len(at_row[0]) - len(at_home[0]) <= len("\x1b[12;1H") - len("\x1b[H")

"""The detail of a stream beside the table: nothing runs into anything at any width, and the peak has its time."""

import re
from datetime import UTC
from pathlib import Path

import pytest

from tests.tui.estate import standing_still
from tests.tui.test_console import until, with_figures
from tui.app import ConsoleApp


def drawn(app: ConsoleApp) -> list[str]:
    detail = app.sessions_screen.detail
    return ["".join(part.text for part in detail.render_line(y)).rstrip() for y in range(detail.size.height)]


@pytest.mark.parametrize("columns", [80, 110, 128, 140, 152, 200])
async def test_no_figure_runs_into_its_neighbour(store_of_an_hour: Path, tmp_path: Path, columns: int) -> None:
    async with standing_still(store_of_an_hour, tmp_path) as (client, clock):
        app = ConsoleApp(
            client, profile_name="", clock=clock, poll_interval_seconds=3600, journal_path=tmp_path / "j", tz=UTC
        )
        async with app.run_test(size=(columns, 40)) as pilot:
            await with_figures(pilot)
            await pilot.press("enter")
            await until(pilot, lambda: app.state.stream_history, "the history")
            await pilot.pause()
            lines = drawn(app)
            session = app.sessions_screen.table.cursor_session
            assert session is not None
            text = "\n".join(lines)
            for name, figure in (("active", session.active), ("lost", session.lost), ("total", session.total)):
                assert re.search(rf"\b{name} {figure:,}(  |$)", text, re.MULTILINE), f"{name}: {text}"
            assert re.search(rf"peak {session.peak:,} at \d\d:\d\d(  |$)", text, re.MULTILINE), text
            assert re.search(r"(^|  )± one interval \(60 s\)$", text, re.MULTILINE), text
            assert re.search(r"(^|  )session \d\d:\d\d, live \d+ (h|min)$", text, re.MULTILINE), text

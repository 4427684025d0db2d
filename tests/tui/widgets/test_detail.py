"""The detail of a stream beside the table: separated figures at any width, and the time of the peak."""

import re
from pathlib import Path

import pytest

from streamusage.api.extension import History
from tests.support.console.frozen_service import frozen_service
from tests.support.console.pilot import detail_lines, has_history, wait_for, wait_for_figures
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings


@pytest.mark.parametrize(
    ("columns", "height"), [(80, 24), (80, 40), (110, 24), (110, 40), (128, 40), (140, 40), (152, 40), (200, 40)]
)
async def test_figures_never_touch_at_any_width(
    store_of_an_hour: Path, tmp_path: Path, columns: int, height: int
) -> None:
    async with frozen_service(store_of_an_hour, tmp_path) as (client, clock):
        app = ConsoleApp(client, ConnectionSettings(poll_interval_s=3600), clock=clock, journal_path=tmp_path / "j")
        async with app.run_test(size=(columns, height)) as pilot:
            await wait_for_figures(pilot)
            if not app.sessions_screen.detail_is_open:
                await pilot.press("enter")
            await wait_for(pilot, lambda: has_history(app), "the history")
            await pilot.pause()
            lines = detail_lines(app)
            detail = app.sessions_screen.detail
            shown = {detail.render_line(y).cell_length for y in range(detail.size.height)}
            assert shown == {detail.scrollable_content_region.width}, "no line extends below the scrollbar"
            session = app.sessions_screen.table.cursor_session
            assert session is not None
            text = "\n".join(lines)
            assert session.leaves_out_server, "edge-2 owes its newest figures"
            for name, figure in (("active ≥", session.active), ("lost", session.lost), ("total", session.total)):
                assert re.search(rf"\b{name} {figure:,}(  |$)", text, re.MULTILINE), f"{name}: {text}"
            assert re.search(rf"peak {session.peak:,} at \d\d:\d\d(  |$)", text, re.MULTILINE), text
            assert re.search(r"│\d\d:\d\d\b.* \d\d:\d\d│$", text, re.MULTILINE), f"ticks of the time axis: {text}"
            assert re.search(r"(^|  )± one interval \(1m\)$", text, re.MULTILINE), text
            assert re.search(r"(^|  )session \d\d:\d\d, on air (\d+h\d\d|\d+m)$", text, re.MULTILINE), text


async def test_server_that_is_not_seen_has_no_current_figure(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with frozen_service(store_of_an_hour, tmp_path) as (client, clock):
        app = ConsoleApp(client, ConnectionSettings(poll_interval_s=3600), clock=clock, journal_path=tmp_path / "j")
        async with app.run_test(size=(160, 40)) as pilot:
            await wait_for_figures(pilot)
            await wait_for(pilot, lambda: has_history(app), "the history")
            await pilot.pause()
            session = app.sessions_screen.table.cursor_session
            assert session is not None
            history = app.state.stream_history[session.key]
            assert isinstance(history, History)
            before = {server.server: server.active for server in history.servers}
            assert "· missing: a server owes reports; figures are lower bounds" in detail_lines(app)
            rows = {line.split()[0]: line.split()[1:] for line in detail_lines(app) if line.split()[:1]}
            assert rows["edge-2"] == ["–", "–", "missing:", "had", f"{before['edge-2']:,}"]
            seen = [int(rows[name][0].replace(",", "")) for name in before if name != "edge-2"]
            assert sum(seen) == session.active, "the figures of the others add up to the lower bound"
            assert all(rows[name][1] == "–" for name in before), "a share of an unknown sum"

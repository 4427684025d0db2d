"""The gap view in every state, in colour, without colour and in 16 colours: every state looks different."""

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from rich.color import ColorSystem
from rich.style import Style
from syrupy.assertion import SnapshotAssertion

from streamusage.api.extension import Coverage, CoverageSpan, ServerCoverage
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.core.coverage import Provenance
from tests.support.console.pilot import wait_for
from tui.app.console_app import ConsoleApp
from tui.app.messages.views import CoveragePolled
from tui.config.settings import ConnectionSettings
from tui.screens.gaps import GapsScreen
from tui.styles.themes import Abilities

MINUTE = 60_000
NOW = 20_500 * 86_400_000 + 43_200_000

Run = tuple[str, str, str, bool, bool]
"""Text, ink, ground, bold, reverse."""


def coverage() -> Coverage:
    """Return the coverage of one server per state; the state covers its last ten minutes."""
    servers = []
    for number, state in enumerate(Provenance):
        live = CoverageSpan(from_ms=NOW - 40 * MINUTE, to_ms=NOW - 10 * MINUTE, state=Provenance.LIVE)
        last = CoverageSpan(from_ms=NOW - 10 * MINUTE, to_ms=NOW, state=state)
        servers.append(ServerCoverage(server=f"{number}-{state.value}", spans=[live, last]))
    return Coverage(now=NOW, from_ms=NOW - 120 * MINUTE, to_ms=NOW, servers=servers)


async def draw_gap_view(directory: Path, *, colours: bool) -> list[list[Run]]:
    """Return the runs of the grid's rows and of the legend as the terminal receives them."""
    async with UsageClient("http://127.0.0.1:9", None) as client:
        app = ConsoleApp(
            client,
            ConnectionSettings(profile="test", poll_interval_s=3600),
            clock=SystemClock(),
            journal_path=directory / "deleted.ndjson",
            able=Abilities(colours, True, True),
        )
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("g")
            await pilot.pause()
            screen = app.screen
            assert isinstance(screen, GapsScreen)
            await wait_for(pilot, lambda: app.state.failure, "the failed poll, which the description names")
            screen.show_coverage(CoveragePolled(coverage(), None))
            screen.grid_view.put_cell(0, 0)
            await pilot.pause()
            update = screen._compositor.render_update(full=True, simplify=True)
            strips = [[segment for strip in line for segment in strip] for line in update.strips]  # type: ignore[union-attr]
            return [list(runs_of(strips[y])) for y in (*range(3, 10), 22)]


def runs_of(line: object) -> Iterator[Run]:
    for segment in line:  # type: ignore[attr-defined]
        style = segment.style or Style()
        ink, ground = (
            "" if colour is None or colour.is_default else colour.name for colour in (style.color, style.bgcolor)
        )
        yield segment.text, ink, ground, bool(style.bold), bool(style.reverse)


def in_16_colours(run: Run) -> Run:
    style = Style.parse(" ".join(part for part in (run[1], f"on {run[2]}" if run[2] else "") if part) or "none")
    assert style.color is not None
    assert style.bgcolor is not None
    ink, ground = (colour.downgrade(ColorSystem.STANDARD).name for colour in (style.color, style.bgcolor))
    return run[0], ink, ground, run[3], run[4]


@pytest.mark.parametrize("how", ["colour", "no colour", "16 colours"])
async def test_states_differ_by_glyph_and_colour(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if how == "no colour":
        monkeypatch.setenv("NO_COLOR", "1")
    lines = await draw_gap_view(tmp_path, colours=how != "no colour")
    if how == "16 colours":
        lines = [[in_16_colours(run) for run in line] for line in lines]
    looks = {}
    for state, row in zip(Provenance, lines[1:7], strict=True):
        text = "".join(run[0] for run in row)
        glyphs = text[61:71]
        assert len(set(glyphs)) == 1, text
        at = 0
        for run in row:
            if at <= 65 < at + len(run[0]):
                looks[state] = (glyphs[0], *run[1:3])
            at += len(run[0])
    for first, second in combinations(Provenance, 2):
        assert looks[first][0] != looks[second][0], "the glyph alone is different"
    coloured = {look[1] for look in looks.values()}
    if how == "no colour":
        assert {run[1:3] for line in lines for run in line if run[0].strip()} <= {("", "")} | grey(lines)
    else:
        assert len(coloured) >= 3
        assert all(look[1] != look[2] for look in looks.values()), "no state has the colour of its background"
    assert lines == snapshot


def grey(lines: list[list[Run]]) -> set[tuple[str, str]]:
    """Return the pairs of foreground and background that are grey."""

    def is_grey(name: str) -> bool:
        return name == "" or (name.startswith("#") and name[1:3] == name[3:5] == name[5:7])

    return {run[1:3] for line in lines for run in line if is_grey(run[1]) and is_grey(run[2])}


async def test_cursor_leaves_labels_of_the_axis_whole(tmp_path: Path) -> None:
    async with UsageClient("http://127.0.0.1:9", None) as client:
        app = ConsoleApp(
            client, ConnectionSettings(poll_interval_s=3600), clock=SystemClock(), journal_path=tmp_path / "j"
        )
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("g")
            await pilot.pause()
            screen = app.screen
            assert isinstance(screen, GapsScreen)
            screen.show_coverage(CoveragePolled(coverage(), None))
            await pilot.pause()
            view = screen.grid_view
            assert view.grid is not None
            for cell in range(view.grid.cells):
                view.put_cell(0, cell)
                axis = view.draw_line(0).text
                assert re.findall(r"[│▾](\d\d:\d\d)", axis) == ["11:10", "11:20", "11:30", "11:40", "11:50"], axis

"""The last line: the useful keys of every place, whole ones only."""

from pathlib import Path

import pytest

from tests.support.console.pilot import console, open_console, screen_text, wait_for, wait_for_figures
from tests.support.console.records import recent, record, service_with
from tui.app.actions import Context, available
from tui.app.console_app import ConsoleApp
from tui.model.text import width
from tui.widgets import bars
from tui.widgets.key_hints import FILTER_HINTS, PICKER_HINTS, actions_in_detail, hint_parts
from tui.widgets.lines import Line


def last_line(app: ConsoleApp) -> str:
    return "".join(segment.text for segment in app.screen.query_one("#keys", Line).render_line(0)).rstrip()


@pytest.mark.parametrize("cells", [*range(8, 82), 120, 200])
def test_hints_are_whole(cells: int) -> None:
    for hints in (FILTER_HINTS, PICKER_HINTS):
        shown = "".join(text for text, _ in hint_parts(hints, cells))
        assert width(shown.rstrip()) <= cells
        assert {text.strip() for text in shown.split("  ") if text.strip()} <= {
            f"{key} {label}" for key, label in hints
        }
    assert [part for part in hint_parts(FILTER_HINTS, 80) if part[1] == "strong"] == [
        (key, "strong") for key, _ in FILTER_HINTS
    ]


@pytest.mark.parametrize("context", list(Context))
@pytest.mark.parametrize("cells", [80, 110, 200])
def test_keys_of_every_view_fit(context: Context, cells: int) -> None:
    for actions in (available(context, read_only=False), actions_in_detail(available(context, read_only=False))):
        text = "".join(part for part, _ in bars.keys(actions, cells))
        assert width(text.rstrip()) <= cells
        assert text.rstrip().endswith("quit")


async def test_last_line_follows_detail_and_prompt(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        assert last_line(app).startswith(" / filter")
        await pilot.press("enter")
        assert last_line(app).startswith(" j ↓ next stream  J record  c command  Y copy  d delete")
        await pilot.press("escape", "slash")
        assert last_line(app) == " ⏎ keep the filter  esc remove it  ↑ ↓ earlier filters"
        await pilot.press("escape")
        assert last_line(app).startswith(" / filter")
        await pilot.press("g")
        await pilot.pause()
        await pilot.press("slash")
        await pilot.pause()
        assert last_line(app) == " ⏎ keep the filter  esc remove it"
        await pilot.press("escape")
        await wait_for(pilot, lambda: "help" in last_line(app), "the keys of the gap view again")


@pytest.mark.parametrize(
    ("keys", "hint"),
    [
        (["colon"], "enter choose  tab complete  up down move  esc close"),
        (["C"], "esc: close"),
        (["J"], "esc: close   j k: scroll"),
        (["d"], "left right: buttons   enter: press   esc: cancel"),
        (["D"], "tab: buttons   esc: cancel"),
    ],
)
async def test_dialogs_name_their_keys(keys: list[str], hint: str, store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.resize_terminal(80, 24)
        await pilot.press(*keys)
        await wait_for(pilot, lambda: hint in screen_text(app), hint)


async def test_result_of_a_delete_offers_undo_in_80_columns(tmp_path: Path) -> None:
    name = "a-stream-with-a-name-that-needs-more-than-forty-cells"
    async with (
        service_with(tmp_path, [record(name, recent(60)), record("other", recent(30))]) as client,
        console(client, tmp_path).run_test(size=(80, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await pilot.press("end", "d", "right", "enter")
        await wait_for(pilot, lambda: "1 deleted; verified; u: undo" in screen_text(app), "the result")

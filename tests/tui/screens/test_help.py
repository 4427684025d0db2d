"""The help page: every action of a view in one of six groups, each with a noun."""

from pathlib import Path

import pytest

from tests.support.console.pilot import open_console, screen_text
from tui.app.actions import ACTIONS, Context, available
from tui.model.text import width
from tui.screens.help import HelpScreen
from tui.screens.help_groups import GROUPS, group_actions


def test_groups_are_the_six_purposes_and_name_no_unknown_action() -> None:
    assert list(GROUPS) == ["Find", "View", "Time", "Change", "Share", "Go"]
    names = [name for nouns in GROUPS.values() for name in nouns]
    assert len(names) == len(set(names)), "an action is in one group"
    assert set(names) <= {action.name.partition("(")[0] for action in ACTIONS}


@pytest.mark.parametrize("context", list(Context))
def test_every_action_is_in_a_group_with_a_noun(context: Context) -> None:
    actions = available(context, read_only=False)
    entries = [entry for group in group_actions(actions).values() for entry in group]
    assert sorted(entry.help for entry in entries) == sorted(action.help for action in actions)
    assert all(entry.keys and entry.noun for entry in entries)


@pytest.mark.parametrize("context", list(Context))
def test_lines_fit_into_80_columns(context: Context) -> None:
    screen = HelpScreen(context, available(context, read_only=False), read_only=False)
    assert max(map(width, screen._lines)) <= 76


async def test_help_is_grouped(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        lines = app.screen._lines
        assert [line for line in lines if line in GROUPS] == list(GROUPS)
        text = screen_text(app)
        assert "Find" in text
        assert "filter" in text

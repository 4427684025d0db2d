"""The palette and other lists: mistyped names are answered with similar ones, and profiles explain themselves."""

from pathlib import Path

import pytest
from textual.widgets import Input

from streamusage.client.usage_client import UsageClient
from tests.support.console.pilot import console, open_console, screen_text
from tui.app.actions import Context, explain_command
from tui.model.suggestions import close_names
from tui.screens.page import PageScreen
from tui.screens.picker import Choice, Picker

COMMANDS = ("sort", "export", "group by scope", "delete", "delete stream", "mark shown")


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("srot", "sort"),
        ("SROT total", "sort"),
        ("exprot /tmp/a.csv", "export"),
        ("gruop", "group by scope"),
        ("group by scoep", "group by scope"),
        ("delet straem", "delete stream"),
    ],
)
def test_mistyped_names_suggest_similar_ones(typed: str, first: str) -> None:
    assert close_names(typed, COMMANDS)[0] == first


@pytest.mark.parametrize("typed", ["", "   ", "xyzzy"])
def test_unlike_names_suggest_nothing(typed: str) -> None:
    assert close_names(typed, COMMANDS) == []


def test_command_of_another_view_or_of_a_writable_console_is_explained() -> None:
    assert explain_command("sort total", Context.DAYS, read_only=False, no_service_reason="") == (
        "sort: only in the view sessions"
    )
    assert "read-only" in explain_command("delete", Context.SESSIONS, read_only=True, no_service_reason="")
    assert explain_command("journal", Context.SESSIONS, read_only=False, no_service_reason="a replay") == (
        "journal: a replay"
    )
    assert explain_command("srot", Context.SESSIONS, read_only=False, no_service_reason="") == ""


async def test_unknown_command_suggests_and_enter_runs_nothing(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("colon", *"srot total", "enter")
        assert isinstance(app.screen, Picker)
        assert "no match for srot total; did you mean" in screen_text(app)
        assert "sort COLUMN" in screen_text(app)
        await pilot.press("tab")
        assert app.screen.query_one(Input).value == "sort total"
        await pilot.press("enter")
        assert app.state.view.column == "total"

        await pilot.press("colon", *"sort totla", "enter")
        assert "no match for totla; did you mean" in screen_text(app)
        await pilot.press("tab", "enter", "s", "colon", *"sort")
        assert "sort: only in the view sessions" in screen_text(app)


async def test_unknown_profile_lists_known_ones(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("colon", *"profile pord", "enter")
        text = screen_text(app)
        assert "no match for pord; did you mean" in text
        assert "prod" in text
        await pilot.press("escape", "P", *"about", "enter")
        assert isinstance(app.screen, PageScreen)
        text = screen_text(app)
        assert "A profile is one service" in text
        assert "http://lab" in text


async def test_console_without_profiles_explains_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    async with (
        UsageClient("http://127.0.0.1:9", None) as client,
        console(client, tmp_path).run_test(size=(80, 24)) as pilot,
    ):
        await pilot.press("P")
        text = screen_text(pilot.app)  # type: ignore[arg-type]
        assert "A profile is one service" in text
        assert "config.toml" in text
        assert "[profiles.prod]" in text
        await pilot.press("P")
        assert not isinstance(pilot.app.screen, PageScreen)


async def test_names_in_a_list_leave_room_for_whole_dates(tmp_path: Path) -> None:
    choice = Choice("0", "live/" + "a-long-name-" * 4, "started 14 Nov 18:20, 1,204 in all, deleted Fri 18:20")
    async with (
        UsageClient("http://127.0.0.1:9", None) as client,
        console(client, tmp_path).run_test(size=(80, 24)) as pilot,
    ):
        pilot.app.push_screen(Picker("Deleted records", [choice]))
        await pilot.pause()
        assert choice.help in screen_text(pilot.app)  # type: ignore[arg-type]

"""An app has its theme from the start, without a second look at its stylesheets."""

import pytest
from textual.app import App
from textual.css.stylesheet import Stylesheet

from tui.styles.themed_app import ThemedApp
from tui.styles.themes import Abilities

ABLE = Abilities(colours=True, many_colours=True, braille=True)


async def test_stylesheets_are_parsed_once_until_another_theme_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    reparse = Stylesheet.reparse
    monkeypatch.setattr(Stylesheet, "reparse", lambda sheet: (parsed.append(sheet), reparse(sheet)))
    app = ThemedApp("high-contrast", ABLE)
    async with app.run_test() as pilot:
        assert app.theme == "high-contrast"
        assert app.get_css_variables()["foreground"] == "#FFFFFF"
        assert parsed == []
        app.theme = "light"
        await pilot.pause()
        assert len(parsed) == 1
        assert app.current_theme.name == "light"


@pytest.mark.parametrize("name", ["dark", "light", "high-contrast", "deuteranopia-safe", "ansi-16"])
async def test_app_that_starts_with_a_theme_is_as_one_that_switched_to_it(name: str) -> None:
    first, later = ThemedApp(name, ABLE), ThemedApp("dark" if name == "light" else "light", ABLE)
    async with first.run_test(), later.run_test() as pilot:
        later.theme = name
        await pilot.pause()
        assert _look(first) == _look(later)


def _look(app: App[int]) -> tuple[object, ...]:
    modes = {mode: app.has_class(mode) for mode in ("-dark-mode", "-light-mode")}
    return app.theme, app.get_css_variables(), modes, app.native_ansi_color, app.screen.styles.background


def test_terminal_without_many_colours_has_its_own() -> None:
    assert ThemedApp("light", ABLE._replace(many_colours=False)).theme == "ansi-16"

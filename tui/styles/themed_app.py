"""An app that has its theme from the start: Textual parses every stylesheet again when a theme is set afterwards."""

from textual.app import App
from textual.filter import Monochrome, NoColor
from textual.reactive import Initialize, Reactive
from textual.theme import Theme

from tui.styles.no_colours import NoColours
from tui.styles.readable_colours import ReadableColours
from tui.styles.themes import THEMES, Abilities, theme_for


def _first_theme(app: "ThemedApp") -> str:
    return app.first_theme


class ThemedApp(App[int]):
    """An app with the console's themes and its filters of colours, in a theme that the terminal can show."""

    theme: Reactive[str] = Reactive(Initialize(_first_theme))
    """The name of the theme."""

    def __init__(self, theme: str, able: Abilities) -> None:
        self.first_theme = theme_for(theme, able)
        """The theme with which the app starts."""
        super().__init__()
        # Without colours the text is drawn in the terminal's own, not in shades of grey.
        self._filters = [known for known in self._filters if not isinstance(known, Monochrome | NoColor)]
        self._filters.append(ReadableColours() if able.colours else NoColours())

    @property
    def available_themes(self) -> dict[str, Theme]:
        """Textual's themes, and the console's."""
        return {**super().available_themes, **THEMES}

    def get_theme(self, theme_name: str) -> Theme | None:
        """Return a theme by its name. Textual collects all of them each time, for every line that it draws."""
        return THEMES.get(theme_name) or super().get_theme(theme_name)

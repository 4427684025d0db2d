"""A Textual app with random content whose staged driver writes to a model of a terminal."""

import asyncio
import random

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App, ComposeResult
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Region, Size
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.theme import BUILTIN_THEMES
from textual.widget import Widget
from textual.widgets import Input, Static

from tests.support.console.terminals.random_screens import DOUBTFUL_TEXT, PLAIN_TEXT, WIDE_TEXT, cells_of
from tests.support.console.terminals.terminal_model import TerminalModel, as_textual
from tui.display.driver import StagedDriver, staged

THEMES = (
    "textual-dark",
    "textual-light",
    "nord",
    "gruvbox",
    "dracula",
    *(name for name in BUILTIN_THEMES if "ansi" in name),
)
STYLES = [
    Style(), Style(bold=True), Style(dim=True, italic=True), Style(underline=True, color="red"), Style(reverse=True),
    Style(color="#d6d9dc", bgcolor="#111417"), Style(color="#4fb3d9", bgcolor="#283c5a", bold=True),
    Style(bgcolor="#111417"), Style(color="color(200)"), Style(strike=True), Style(overline=True),
    Style(link="https://example.net/a;b", color="#00ff00"), Style(underline2=True), Style(conceal=True),
]  # fmt: skip

WHOLE_EMOJI = [text for text in DOUBTFUL_TEXT if "\u200d" not in text and "\ufe0f" not in text]
"""Without emoji that join: Rich cuts them into lines that are wider than they are meant to be."""


class MemoryDriver(LinuxDriver):
    """Textual's driver for a terminal, without one."""

    def start_application_mode(self) -> None:
        self.write("\x1b[?1049h")
        self._app.post_message(events.Resize(self._app.start_size, self._app.start_size))

    def stop_application_mode(self) -> None:
        self.write("\x1b[?1049l")

    def disable_input(self) -> None:
        pass

    def write(self, data: str) -> None:
        self._app.terminal.write(data)


def tapped(*, erases_in_colour: bool) -> type[Driver]:
    """Return a staged driver of an app with `start_size`, `terminal`, and `plain`: a terminal without a stage."""

    class Tapped(staged(MemoryDriver, erases_in_colour=lambda: erases_in_colour)):  # type: ignore[misc]
        def write(self, data: str) -> None:
            self._app.plain.write(data)
            super().write(data)

    return Tapped


def assert_same_screens(shown: TerminalModel, plain: TerminalModel, what: str) -> None:
    """Assert that a terminal shows what it would show without the stage, cell by cell."""
    for y, lines in enumerate(zip(shown.seen, plain.seen, strict=True)):
        both = enumerate(zip(*lines, strict=True))
        differ = [(x, *cells) for x, cells in both if cells[0] != cells[1]]
        assert not differ, f"{what}, line {y}: cell, shown, meant: {differ[:3]} in {plain.lines[y]!r}"


class Canvas(Widget, can_focus=True):
    """Lines of random cells."""

    DEFAULT_CSS = "Canvas { width: 1fr; height: 1fr; }"

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.lines: list[Strip] = []

    def random_strip(self, cells: int) -> Strip:
        chance, left = self.chance, cells
        calm = chance.random() < 0.6
        segments: list[Segment] = []
        while left > 0:
            style = chance.choice(STYLES[:4] if calm else STYLES)
            kinds = (PLAIN_TEXT,) if calm else (PLAIN_TEXT, PLAIN_TEXT, WIDE_TEXT, WHOLE_EMOJI)
            text = ""
            for _ in range(chance.randint(1, 10)):
                more = chance.choice(chance.choice(kinds))
                if cells_of(text + more) <= left:
                    text += more
            text = text or " "
            segments.append(Segment(text, style))
            left -= cells_of(text)
        return Strip(segments).adjust_cell_length(cells)

    def render_line(self, y: int) -> Strip:
        while len(self.lines) <= y:
            self.lines.append(self.random_strip(self.size.width))
        strip = self.lines[y]
        return strip if strip.cell_length == self.size.width else strip.adjust_cell_length(self.size.width)

    def change(self) -> None:
        """Change lines or parts of them, or scroll them."""
        width, height = self.size
        if not width or not height:
            return
        self.render_line(height - 1)
        choose = self.chance.random()
        if choose < 0.6:
            for _ in range(self.chance.randint(1, 3)):
                y = self.chance.randrange(height)
                first = self.chance.randrange(width)
                last = self.chance.randint(first + 1, min(width, first + 12))
                old = self.render_line(y)
                self.lines[y] = Strip.join(
                    [old.crop(0, first), self.random_strip(last - first), old.crop(last, width)]
                ).adjust_cell_length(width)
                self.refresh(Region(first, y, last - first, 1))
        elif choose < 0.8 and height > 3:
            lines = self.chance.choice((1, 2, -1))
            self.lines = self.lines[lines:] + self.lines[:lines]
            self.refresh()
        else:
            self.lines = [self.random_strip(width) for _ in range(height)]
            self.refresh()


class Dialog(ModalScreen[None]):
    """A dialog over a dimmed screen, or over one that is as it was."""

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 40%; }
    Dialog.clear { background: transparent; }
    Dialog Canvas { width: 60%; height: 50%; border: round $warning; }
    Dialog Input { width: 60%; height: 1; border: none; }
    """

    def __init__(self, chance: random.Random) -> None:
        super().__init__(classes=chance.choice(("", "clear")))
        self.chance = chance

    def compose(self) -> ComposeResult:
        yield Canvas(self.chance)
        field = Input("日本 query")
        field.cursor_blink = False
        yield field


class RandomApp(App[None]):
    """The app. `step` changes something at random, and `assert_shown` compares it to a terminal without a stage."""

    CSS = """
    #top { dock: top; height: 1; background: $panel; }
    #float { layer: above; offset: 5 3; width: 14; height: 3; background: $accent 30%; }
    Screen { layers: default above; }
    """
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, seed: int, *, erases_in_colour: bool) -> None:
        self.chance = random.Random(seed)
        self.start_size = Size(44, 14)
        self.terminal, self.plain = (
            TerminalModel(44, 14, as_textual, erases_in_colour=erases_in_colour) for _ in range(2)
        )
        self.frames = 0
        super().__init__(driver_class=tapped(erases_in_colour=erases_in_colour))

    def compose(self) -> ComposeResult:
        yield Static("streamtop 日本 ● [b]bold[/b]", id="top")
        yield Canvas(self.chance)
        yield Static("floats ▲ é", id="float")

    @property
    def driver(self) -> StagedDriver:
        driver = self._driver
        assert isinstance(driver, StagedDriver)
        return driver

    def post_display_hook(self) -> None:
        self.frames += 1

    async def step(self) -> None:
        """Change something, and wait until it is painted."""
        frames = self.frames
        with self._context():
            if not self._change():
                return
        await self.painted(frames)

    def _change(self) -> bool:
        """Change something. Returns whether it is to be painted."""
        choose = self.chance.random()
        if choose < 0.82:
            self.screen.query_one(Canvas).change()
        elif choose < 0.86:
            if isinstance(self.screen, Dialog):
                self.pop_screen()
            else:
                self.push_screen(Dialog(self.chance))
        elif choose < 0.88:
            self.theme = self.chance.choice(THEMES)
        elif choose < 0.9:
            size = Size(self.chance.randint(20, 60), self.chance.randint(6, 18))
            self.terminal.resize(size.width, size.height)
            self.plain.resize(size.width, size.height)
            self.post_message(events.Resize(size, size))
        elif choose < 0.92:
            self.terminal.write("\x1b[1;1H\x1b[41mscribble\x1b[5;1H\x1b[2J\x1b[m")  # by another program
            self.driver.forget()
            self.refresh()
        elif choose < 0.94:
            self.bell()
            self.copy_to_clipboard("日本")
            self.driver.write("\x1b]2;title\x07")
            return False
        elif choose < 0.97:
            self.query_one("#float").display = not self.query_one("#float").display
        else:
            self.query_one("#float").styles.offset = (self.chance.randrange(30), self.chance.randrange(8))
        return True

    async def painted(self, frames: int = 0) -> None:
        """Wait until more than so many frames are painted, or a change has turned out to change nothing."""
        quiet = 0
        while quiet < (3 if self.frames > frames else 200):
            await asyncio.sleep(0.001)
            quiet = 0 if not self._running or not self.screen_stack or self._is_busy() else quiet + 1

    def _is_busy(self) -> bool:
        screen = self.screen
        return bool(
            screen._dirty_widgets
            or screen._repaint_required
            or screen._layout_required
            or screen._compositor._dirty_regions
            or self.terminal.screen.columns != self.size.width
        )

    def assert_shown(self, what: str) -> None:
        """Assert that the terminal shows what it would show without the stage."""
        assert_same_screens(self.terminal, self.plain, what)

"""What every screen of the console has: the state, the app that wires it, and read-only mode by absent actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.screen import Screen

from tui.app.actions import Context, available
from tui.app.state import ConsoleState
from tui.model import formats
from tui.model.latency import Split
from tui.screens.help import HelpScreen
from tui.screens.page import PageScreen
from tui.screens.picker import Choice, Picked, Picker
from tui.styles.themes import THEMES
from tui.widgets import bars
from tui.widgets.lines import Line, Part

if TYPE_CHECKING:
    from tui.app.console_app import ConsoleApp


NOTICE_STANDS_MS = 8_000
"""How long a notice stands in the place of the keys."""


class ConsoleScreen(Screen[None]):
    """A full screen. `state_changed` is called after every poll and once a second."""

    PLACE: ClassVar[Context] = Context.SESSIONS

    _said: Part | None = None
    _said_at_ms = 0

    @property
    def console_app(self) -> ConsoleApp:
        return cast("ConsoleApp", self.app)

    @property
    def state(self) -> ConsoleState:
        return self.console_app.state

    @property
    def is_drawn(self) -> bool:
        """Whether its widgets are there: not yet before the first layout, not any more while it closes."""
        return self.is_mounted and bool(self.query("#keys"))

    def on_mount(self) -> None:
        # Every screen's, beside its own. Before the first layout there is nothing to draw on.
        self.call_after_refresh(self.state_changed, polled=True)

    def state_changed(self, *, polled: bool) -> None:
        """Draws what is different. `polled` tells a poll from the clock that only ages figures."""
        raise NotImplementedError

    def say(self, text: str, ink: str = "strong") -> None:
        """Puts a notice where the operator looks, for a while."""
        self._said, self._said_at_ms = (f" {text}", ink), self.state.clock.elapsed_ms()
        self.state_changed(polled=False)

    def _draw_header(self, view: str = "") -> None:
        self.query_one("#header", Line).show(*bars.header(self.state, view, self.size.width))

    def _draw_keys(self) -> None:
        """The last line: the keys of this place, or the newest notice."""
        if self._said is not None and self.state.clock.elapsed_ms() - self._said_at_ms < NOTICE_STANDS_MS:
            parts = [self._said]
        else:
            actions = available(self.PLACE, read_only=self.state.is_read_only(), keymap=self.state.keymap)
            parts = bars.keys(actions, self.size.width)
        self.query_one("#keys", Line).show(parts)

    def action_refresh(self) -> None:
        self.console_app.refresh_now()

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self.PLACE, read_only=self.state.is_read_only(), keymap=self.state.keymap))

    def action_days(self) -> None:
        self.console_app.open_days()

    async def action_quit(self, *_: Any) -> None:
        self.app.exit(0)

    # By name

    def action_palette(self) -> None:
        actions = available(self.PLACE, read_only=self.state.is_read_only(), keymap=self.state.keymap)
        choices = [
            Choice(action.name, action.command, f"{action.help}  {action.shown}".rstrip(), action.takes)
            for action in actions
            if action.command
        ]
        self.app.push_screen(Picker("Everything by name", choices), self._run_picked)

    async def _run_picked(self, picked: Picked | None) -> None:
        if picked is not None:
            name = picked.value
            await self.run_action(f"{name}({picked.argument!r})" if picked.argument else name)

    # What is the same everywhere

    def action_pause(self) -> None:
        self.console_app.pause()

    def action_interval(self, steps: int) -> None:
        self.console_app.change_interval(steps)

    def action_arm(self, length: str = "5m") -> None:
        self.console_app.arm(length)

    def action_theme(self, name: str = "") -> None:
        if name in THEMES:
            self.app.theme = name
            return
        choices = [Choice(theme, theme, "dark" if THEMES[theme].dark else "light") for theme in THEMES]
        self.app.push_screen(Picker("Theme", choices, current=self.app.theme), self._theme_picked)

    def _theme_picked(self, picked: Picked | None) -> None:
        if picked is not None:
            self.app.theme = picked.value

    def action_profile(self, name: str = "") -> None:
        self.console_app.pick_profile(name)

    def action_screenshot(self, file: str = "") -> None:
        self.console_app.save_picture(file)

    def action_bundle(self, file: str = "") -> None:
        self.console_app.save_bundle(file)

    def action_latency(self) -> None:
        self.app.push_screen(PageScreen(latency_lines(self.state), closed_by=("L",)))


def latency_lines(state: ConsoleState) -> list[str]:
    """Where the time of the last polls went."""
    lines = ["Where the time of a poll goes, in milliseconds, newest first", ""]
    lines.append("  connect  first byte    body  decode   apply   paint   total        bytes")
    for split in [*state.latency.splits][-1:-21:-1]:
        lines.append(_latency_line(split))
    if not state.latency.splits:
        lines.append("  nothing polled yet")
    lines += ["", f"polled every {state.poll_interval_ms / 1000:g} s"]
    if state.tells_skew and state.skew_ms is not None:
        lines.append(f"the service's clock is {state.skew_ms / 1000:+.1f} s from this machine's")
    if state.drift:
        lines.append(f"its records differ from the documented ones: {state.drift.summary()}")
    return lines


def _latency_line(split: Split) -> str:
    figures = zip(split[:6], (9, 12, 8, 8, 8, 8), strict=True)
    text = "".join((f"{part:.1f}" if part is not None else formats.UNKNOWN).rjust(cells) for part, cells in figures)
    return f"{text}{split.total_ms:8.1f}{split.answer_bytes:13,}"

"""What every screen of the console has: the state, the app that wires it, and read-only mode by absent actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from textual.screen import Screen

from tui.actions import is_dangerous
from tui.state import ConsoleState

if TYPE_CHECKING:
    from tui.app import ConsoleApp


class ConsoleScreen(Screen[None]):
    """A full screen. `state_changed` is called after every poll and once a second."""

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

    def state_changed(self, *, polled: bool) -> None:
        """Draws what is different. `polled` tells a poll from the clock that only ages figures."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if is_dangerous(action) and self.state.read_only:
            return False
        return super().check_action(action, parameters)

    def action_refresh(self) -> None:
        self.console_app.refresh_now()

    def action_days(self) -> None:
        self.console_app.open_days()

    async def action_quit(self, *_: Any) -> None:
        self.app.exit(0)

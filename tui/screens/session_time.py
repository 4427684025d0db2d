"""The times of the session table: pause, steps through the polls, jumps."""

from tui.app.feeds import Notice
from tui.screens.base import ConsoleScreen


class SessionTime(ConsoleScreen):
    """A session table that can be paused, and can show the past."""

    notice: Notice | None

    def action_step(self, polls: int) -> None:
        """Step through the polls: back (below zero) or forward."""
        self.state.pause()
        back = self.state.timeline.back
        self.state.step(polls)
        if self.state.timeline.back == back:
            self.show_notice("no earlier poll is kept" if polls < 0 else "this is the newest poll; 0 returns to live")
        self._time_moved()

    def action_live(self) -> None:
        """Return to the newest poll."""
        self.notice = None
        if not self.state.is_paused:
            self.show_notice("the table is live", "quiet")
        self.state.resume()
        self._time_moved()

    def action_jump(self, to: str = "") -> None:
        """Show the table as it was at a time."""
        from streamusage.core.instants import InstantError, parse_instant

        try:
            at_now = parse_instant(to)
        except InstantError:
            self.show_notice("jump to which time? 3m, 90s ago or 12:40", "warn")
            return
        self.state.jump(at_now(self.state.now_ms(), self.state.tz))
        self._time_moved()

    def action_pause(self) -> None:
        """Pause or resume the table."""
        if self.state.is_paused:
            self.notice = None  # it may have been about the pause
        super().action_pause()

    def _time_moved(self) -> None:
        self.port.publish_state(polled=True)

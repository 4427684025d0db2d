"""The console's app: it wires poller, state and screens, and does nothing else."""

from collections.abc import Iterable
from datetime import tzinfo
from pathlib import Path
from typing import ClassVar

import rich
from rich.segment import Segments
from rich.traceback import Traceback
from textual import on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.filter import Monochrome, NoColor

from streamusage.client import UsageClient
from streamusage.clock import Clock
from streamusage.usage import StreamId, UsageRecord
from tui import deleter
from tui.deleter import Outcome
from tui.messages import (
    CoveragePolled,
    DeleteFinished,
    HistoryMissing,
    HistoryPolled,
    PollFailed,
    SessionsPolled,
    TrendsPolled,
)
from tui.model import deletion
from tui.model.gaps import grid
from tui.model.sessions import Session
from tui.model.text import safe
from tui.poller import Poller
from tui.screens.base import ConsoleScreen
from tui.screens.confirm_delete import ConfirmDelete
from tui.screens.gaps import GapsScreen
from tui.screens.sessions import SessionsScreen
from tui.state import ConsoleState
from tui.themes import DARK, THEMES, Abilities, abilities, theme_for


class ConsoleApp(App[int]):
    """One console on one service. Runs until it is told to quit; no failure of the service ends it."""

    CSS_PATH = "styles/console.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", "quit", show=False, priority=True)]

    def __init__(
        self,
        client: UsageClient,
        *,
        profile_name: str,
        clock: Clock,
        poll_interval_seconds: float,
        journal_path: Path,
        read_only: bool = False,
        tz: tzinfo | None = None,
        theme: str = DARK.name,
        able: Abilities | None = None,
    ) -> None:
        able = able or abilities()
        super().__init__()
        # Without colours the text is drawn in the terminal's own, not in shades of grey.
        self._filters = [NoColor() if isinstance(one, Monochrome) else one for one in self._filters]
        for one in THEMES.values():
            self.register_theme(one)
        self.theme = theme_for(theme, able)
        self.client = client
        self.state = ConsoleState(
            clock=clock,
            host=client.host,
            profile_name=profile_name,
            poll_interval_ms=round(poll_interval_seconds * 1000),
            read_only=read_only,
            tz=tz,
            braille=able.braille,
        )
        self.poller = Poller(client, self.post_message, interval_seconds=poll_interval_seconds, clock=clock)
        self.sessions_screen = SessionsScreen()
        self._journal_path = journal_path
        self._to_verify: Outcome | None = None
        self._polls_to_verify = 0

    def on_mount(self) -> None:
        self.title = f"streamtop {safe(self.state.profile_name)}"
        self.push_screen(self.sessions_screen)
        self.run_worker(self.poller.run(), group="poll", exit_on_error=True)
        self.set_interval(1, self._tick)

    def _fatal_error(self) -> None:
        """Ends with a traceback that shows no values: among them may be a token."""
        self.bell()
        traceback = Traceback(show_locals=False, width=None, suppress=[rich])
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()

    def _tick(self) -> None:
        self._tell_screens(polled=False)

    def _tell_screens(self, *, polled: bool) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen) and (polled or screen.is_current or self.screen.is_modal):
                screen.state_changed(polled=polled)

    # What was heard

    @on(SessionsPolled)
    def _sessions_polled(self, polled: SessionsPolled) -> None:
        self.state.heard(polled)
        self._verify_delete()
        self._tell_screens(polled=True)

    @on(PollFailed)
    def _poll_failed(self, failed: PollFailed) -> None:
        self.state.missed(failed)
        self._tell_screens(polled=True)

    @on(CoveragePolled)
    def _coverage_polled(self, polled: CoveragePolled) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, GapsScreen):
                screen.coverage_polled(grid(polled.coverage, polled.coverage.from_ms, polled.cells, polled.cell_ms))

    @on(TrendsPolled)
    def _trends_polled(self, polled: TrendsPolled) -> None:
        self.state.trends.heard(polled.trends)
        self._tell_screens(polled=False)

    @on(HistoryPolled)
    def _history_polled(self, polled: HistoryPolled) -> None:
        self.state.stream_history = {polled.stream: polled.history}
        self.sessions_screen.state_changed(polled=False)

    @on(HistoryMissing)
    def _history_missing(self, missing: HistoryMissing) -> None:
        self.state.stream_history = {missing.stream: missing.why}
        self.sessions_screen.state_changed(polled=False)

    # What screens ask for

    def refresh_now(self) -> None:
        """Polls now; a service that had no extension is asked for it again."""
        self.poller.look_for_extension()
        self.poller.refresh()

    def look_at(self, stream: StreamId | None, cells: int, step_ms: int) -> None:
        """Polls the history of a stream from now on, or of none."""
        self.poller.wish(history_of=stream, history_cells=cells, history_step_ms=step_ms)

    def look_at_coverage(self, cells: int, cell_ms: int, cells_back: int) -> None:
        """Polls the coverage of a window from now on."""
        self.poller.wish(coverage_cells=cells, coverage_cell_ms=cell_ms, coverage_cells_back=cells_back)

    def open_gaps(self) -> None:
        self.push_screen(GapsScreen())

    def close_gaps(self) -> None:
        self.poller.wish(coverage_cells=0)
        self.pop_screen()

    # Deletes

    def ask_to_delete(self, chosen: Iterable[Session], stream: StreamId, *, whole_stream: bool) -> None:
        """Asks about the sessions as they are now; only these can come of it."""
        if self.state.read_only:
            return
        if not self.state.freshness().allows_deletes:
            self.sessions_screen.say("deletes are off: the figures are too old to decide on", "bad")
            return
        plan = deletion.plan(chosen, stream, self.state.view, whole_stream=whole_stream)

        def answered(records: list[UsageRecord] | None) -> None:
            if records:
                self.sessions_screen.say(f"deleting {len(records):,} …")
                self.run_worker(self._delete(plan.stream, records), group="delete", exit_on_error=True)

        self.push_screen(ConfirmDelete(plan, self.state), answered)

    async def _delete(self, stream: StreamId, records: list[UsageRecord]) -> None:
        def progress(done: int) -> None:
            self.sessions_screen.say(f"deleting {done:,} of {len(records):,} …")

        now_ms = self.state.now_ms()
        outcome = await deleter.delete_sessions(self.client, str(stream), records, self._journal_path, now_ms, progress)
        self.post_message(DeleteFinished(outcome))

    @on(DeleteFinished)
    def _delete_finished(self, finished: DeleteFinished) -> None:
        outcome = finished.outcome
        failed = bool(outcome.failed or outcome.why_not)
        self._tell_outcome(outcome, "asking what became of it …", "bad" if failed else "strong")
        # The poll under way may have been answered before the delete was; the one after it cannot.
        self._to_verify, self._polls_to_verify = outcome, 2
        self.poller.refresh()

    def _tell_outcome(self, outcome: Outcome, more: str, ink: str) -> None:
        told = f"{safe(outcome.what)}: {safe(deleter.in_words(outcome))}"
        self.sessions_screen.say(f"{told}; {more}" if more else told, ink)

    def _verify_delete(self) -> None:
        """Says what really happened, once a poll that began after the delete shows it."""
        outcome = self._to_verify
        if outcome is None:
            return
        self._polls_to_verify -= 1
        still_there = [key for key in outcome.deleted if key in self.state.store]
        if still_there and self._polls_to_verify > 0:
            self.poller.refresh()
            return
        self._to_verify = None
        failed = bool(outcome.failed or outcome.why_not)
        if still_there:
            self._tell_outcome(outcome, f"but the service still lists {len(still_there):,} of them", "bad")
        elif outcome.deleted:
            self._tell_outcome(outcome, "the service lists none of them any more", "bad" if failed else "good")
        else:
            self._tell_outcome(outcome, "", "bad" if failed else "strong")

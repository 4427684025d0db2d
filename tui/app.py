"""The console's app: it wires poller, state and screens, and does nothing else."""

from collections.abc import Iterable
from datetime import date, tzinfo
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.theme import Theme

from streamusage.answers import DailyStatistics, Span
from streamusage.client import UsageApiError, UsageClient
from streamusage.clock import Clock
from streamusage.usage import StreamId, UsageRecord
from tui import deleter
from tui.alerting import escapes, run_command
from tui.deleter import Outcome
from tui.gap_reader import read_gap
from tui.messages import (
    CoveragePolled,
    DayPolled,
    DeleteFinished,
    GapRead,
    HistoryMissing,
    HistoryPolled,
    MonthPolled,
    PollFailed,
    SessionsPolled,
)
from tui.model import deletion
from tui.model.alerts import AlertBook
from tui.model.day_shares import accounting_zone
from tui.model.gap_story import GapFigures
from tui.model.months import last_of
from tui.model.sessions import Session
from tui.model.text import safe
from tui.poller import Poller
from tui.screens.base import ConsoleScreen
from tui.screens.confirm_delete import ConfirmDelete
from tui.screens.days import DaysScreen
from tui.screens.gap import GapScreen
from tui.screens.gaps import GapsScreen
from tui.screens.sessions import SessionsScreen
from tui.settings import Alerts
from tui.state import ConsoleState

THEME = Theme(
    name="streamtop",
    primary="#3a7bd5",
    accent="#4fb3d9",
    success="#7fbf7f",
    warning="#e0a940",
    error="#e06c60",
    foreground="#d6d9dc",
    background="#111417",
    surface="#1b2026",
    panel="#232a32",
    dark=True,
)


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
        alerts: Alerts | None = None,
    ) -> None:
        super().__init__()
        self.client = client
        self.state = ConsoleState(
            clock=clock,
            host=client.host,
            profile_name=profile_name,
            poll_interval_ms=round(poll_interval_seconds * 1000),
            read_only=read_only,
            tz=tz,
        )
        self.poller = Poller(client, self.post_message, interval_seconds=poll_interval_seconds, clock=clock)
        self.sessions_screen = SessionsScreen()
        self._journal_path = journal_path
        self._alerts = alerts or Alerts()
        self._alert_book = AlertBook(round(self._alerts.after * 1000))
        self._to_verify: Outcome | None = None
        self._polls_to_verify = 0

    def on_mount(self) -> None:
        self.register_theme(THEME)
        self.theme = THEME.name
        self.title = f"streamtop {safe(self.state.profile_name)}"
        self.push_screen(self.sessions_screen)
        self.run_worker(self.poller.run(), group="poll", exit_on_error=True)
        self.set_interval(1, self._tick)

    def _tick(self) -> None:
        self._tell_screens(polled=False)

    def _tell_screens(self, *, polled: bool) -> None:
        for screen in self.screen_stack:
            if (
                isinstance(screen, ConsoleScreen)
                and screen.is_drawn
                and (polled or screen.is_current or self.screen.is_modal)
            ):
                screen.state_changed(polled=polled)

    # What was heard

    @on(SessionsPolled)
    def _sessions_polled(self, polled: SessionsPolled) -> None:
        self.state.heard(polled)
        self._verify_delete()
        self._raise_alerts()
        self._tell_screens(polled=True)

    def _raise_alerts(self) -> None:
        for alert in self._alert_book.look(self.state.servers or ()):
            self.sessions_screen.say(
                f"{safe(alert.in_words())}; g shows it", "missing" if alert.kind == "raised" else "good"
            )
            if written := escapes(alert, self._alerts):
                self.write_to_terminal(written)
            if self._alerts.command:
                self.run_worker(run_command(alert, self._alerts.command, self._alert_not_told), group="alert")

    def _alert_not_told(self, why: str) -> None:
        self.sessions_screen.say(safe(why), "bad")

    def write_to_terminal(self, escapes: str) -> None:
        """Writes escape sequences that draw nothing."""
        if self._driver is not None:
            self._driver.write(escapes)

    @on(PollFailed)
    def _poll_failed(self, failed: PollFailed) -> None:
        self.state.missed(failed)
        self._tell_screens(polled=True)

    @on(CoveragePolled)
    def _coverage_polled(self, polled: CoveragePolled) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, GapsScreen):
                screen.coverage_polled(polled)

    @on(DayPolled)
    def _day_polled(self, polled: DayPolled) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, GapsScreen):
                screen.day_polled(polled)

    @on(MonthPolled)
    def _month_polled(self, polled: MonthPolled) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, DaysScreen):
                screen.month_polled(polled.first, polled.days)

    @on(GapRead)
    def _gap_read(self, read: GapRead) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, GapScreen) and screen.row == read.row:
                screen.figures_read(read.from_ms, read.figures)

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

    def look_at_coverage(self, from_ms: int, carriers_from_ms: int | None, *, at_once: bool) -> None:
        """Polls the coverage since an instant from now on, and who carried what since another."""
        self.poller.wish(at_once=at_once, coverage_from_ms=from_ms, carriers_from_ms=carriers_from_ms)

    def ask_for_day(self, server: str, day: date) -> None:
        """Reads one server's day."""
        self.run_worker(self._read_day(server, day), group="day", exit_on_error=True)

    async def _read_day(self, server: str, day: date) -> None:
        try:
            days = (await self.client.daily(day, day, accounting_zone(self.state.tz).key, server=server)).days
        except UsageApiError:
            days = []
        self.post_message(DayPolled(server, day, days[0] if days else None))

    def ask_for_month(self, first: date) -> None:
        """Reads the daily statistics of a month."""
        self.run_worker(self._read_month(first), group="month", exclusive=True, exit_on_error=True)

    async def _read_month(self, first: date) -> None:
        days: list[DailyStatistics] | str
        try:
            days = (await self.client.daily(first, last_of(first), accounting_zone(self.state.tz).key)).days
        except UsageApiError as error:
            days = str(error)
        self.post_message(MonthPolled(first, days))

    def open_days(self) -> None:
        self.push_screen(DaysScreen())

    def read_gap(self, row: str, span: Span, *, of_stream: bool) -> None:
        """Reads what an opened gap shows."""
        self.run_worker(self._read_gap(row, span, of_stream), group="gap", exit_on_error=True)

    async def _read_gap(self, row: str, span: Span, of_stream: bool) -> None:
        figures: GapFigures | str
        try:
            figures = await read_gap(self.client, row, span, self.state.now_ms(), of_stream=of_stream)
        except UsageApiError as error:
            figures = str(error)
        self.post_message(GapRead(row, span.from_ms, figures))

    def open_gaps(self) -> None:
        self.push_screen(GapsScreen())

    def close_gaps(self) -> None:
        self.poller.wish(coverage_from_ms=None, carriers_from_ms=None)
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
        outcome = await deleter.delete_sessions(self.client, stream, records, self._journal_path, now_ms, progress)
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
        told = f"{safe(str(outcome.stream))}: {safe(deleter.in_words(outcome))}"
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

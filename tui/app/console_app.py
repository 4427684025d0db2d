"""The console's app: it wires poller, state and screens, and does nothing else."""

import time
from collections.abc import Callable, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import ClassVar, Protocol

import rich
from rich.segment import Segment, Segments
from rich.traceback import Traceback
from textual import events, on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.filter import Monochrome, NoColor
from textual.message import Message

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import Clock
from tui.app import gc_tuning
from tui.app.alert_delivery import escapes, run_command
from tui.app.exporter import Exporter
from tui.app.fetcher import Fetcher
from tui.app.messages import (
    CoveragePolled,
    DayPolled,
    DayRowsPolled,
    DeleteFinished,
    GapRead,
    HistoryMissing,
    HistoryPolled,
    MonthPolled,
    PollFailed,
    SessionsPolled,
    TrendsPolled,
)
from tui.app.poller import Poller
from tui.app.state import ConsoleState
from tui.config.settings import Alerts
from tui.config.view_memory import ViewMemory
from tui.deletion.flow import DeletionFlow
from tui.model import formats
from tui.model.alerts import AlertBook
from tui.model.instants import length_ms
from tui.model.sessions.chart import ChartRequest
from tui.model.sessions.view import SessionColumn
from tui.model.text import safe
from tui.recording.recording import Recording, RecordingError
from tui.screens.base import ConsoleScreen
from tui.screens.days import DaysScreen
from tui.screens.gap import GapScreen
from tui.screens.gaps import GapsScreen
from tui.screens.picker import Choice, Picked, Picker
from tui.screens.servers import ServersScreen
from tui.screens.sessions import SessionsScreen
from tui.styles.themes import DARK, THEMES, Abilities, abilities, theme_for

INTERVALS_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
TIMES_SLOWER_UNSEEN = 5
"""How much less often it is polled while the terminal has lost the focus."""
LONGEST_ARMED_MS = 60 * 60_000


class PollSource(Protocol):
    """What asks the service, or plays what was asked once."""

    interval_seconds: float
    times_slower: int
    nobody_to_ask: str
    """Why nothing can be asked beside the polls; empty where it can."""

    async def run(self) -> None: ...
    def refresh(self) -> None: ...
    def look_for_extension(self) -> None: ...
    def wish(self, *, at_once: bool = True, **what: int | ChartRequest | None) -> None: ...


class ConsoleApp(App[int]):
    """One console on one service. Runs until it is told to quit; no failure of the service ends it."""

    CSS_PATH = "../styles/console.tcss"
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
        keymap: Mapping[str, str] | None = None,
        profiles: Mapping[str, str] | None = None,
        memory: ViewMemory | None = None,
        tape: Recording | None = None,
        alerts: Alerts | None = None,
        make_poller: Callable[[Callable[[Message], object]], PollSource] | None = None,
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
            keymap=keymap or {},
            braille=able.braille,
        )
        if memory is not None:
            self.state.recall(memory)
        self.set_keymap(dict(keymap or {}))
        self.poller: PollSource
        if make_poller is not None:
            self.poller = make_poller(self.post_message)
        else:
            self.poller = Poller(client, self.post_message, interval_seconds=poll_interval_seconds, clock=clock)
        self.sessions_screen = SessionsScreen(memory.filters if memory else [])
        self.deletions = DeletionFlow(self, journal_path)
        self.outbox = Exporter(self, client)
        self.reads = Fetcher(self)
        self.switch_to = ""
        """The profile that was picked to go on with, once this console has ended."""
        self._profiles = profiles or {}
        self._tape = tape
        self._alerts = alerts or Alerts()
        self._alert_book = AlertBook(round(self._alerts.after * 1000))

    def on_mount(self) -> None:
        self.title = f"streamtop {safe(self.state.profile_name)}"
        self.push_screen(self.sessions_screen)
        self.run_worker(self.poller.run(), group="poll", exit_on_error=True)
        self.set_interval(1, self._tick)

    def _fatal_error(self) -> None:
        """Ends with a traceback that shows no values: among them may be a token, and names that a terminal obeys."""
        self.bell()
        traceback = Traceback(show_locals=False, width=None, suppress=[rich])
        rendered = self.console.render(traceback, self.console.options)
        self._exit_renderables.append(Segments([self._fit_to_print(segment) for segment in rendered]))
        self._close_messages_no_wait()

    def _fit_to_print(self, segment: Segment) -> Segment:
        lines = self.client.without_token(segment.text).split("\n")
        return Segment("\n".join(map(safe, lines)), segment.style, segment.control)

    def send(self, sequence: str) -> None:
        """Writes an escape sequence to the terminal."""
        if self._driver is not None:
            self._driver.write(sequence)

    def say(self, text: str, ink: str = "strong") -> None:
        """Puts a notice on the sessions' screen, and where the operator looks meanwhile."""
        self.sessions_screen.say(text, ink)
        for screen in reversed(self.screen_stack):
            if isinstance(screen, ConsoleScreen):
                if screen is not self.sessions_screen:
                    screen.say(text, ink)
                return

    def _tick(self) -> None:
        self.tell_screens(polled=False)

    def tell_screens(self, *, polled: bool) -> None:
        """Lets every screen that can be seen draw what is different."""
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
        self._record(polled)
        began = time.perf_counter()
        self.state.heard(polled)
        applied = time.perf_counter()
        if polled.split is not None:
            self.state.latency.heard(polled.split._replace(apply_ms=1000 * (applied - began)))
        if polled.reset:
            gc_tuning.loaded(len(polled.changed))
        self.deletions.verify()
        self._raise_alerts()
        self.tell_screens(polled=True)
        self.call_after_refresh(lambda: self.state.latency.painted(1000 * (time.perf_counter() - applied)))

    @on(PollFailed)
    def _poll_failed(self, failed: PollFailed) -> None:
        self._record(failed)
        self.state.missed(failed)
        self.tell_screens(polled=True)

    def _raise_alerts(self) -> None:
        for alert in self._alert_book.look(self.state.servers or ()):
            self.say(f"{safe(alert.in_words())}; g shows it", "missing" if alert.kind == "raised" else "good")
            if written := escapes(alert, self._alerts):
                self.send(written)
            if self._alerts.command:
                told = run_command(alert, self._alerts.command, self._alert_not_told, self.client.without_token)
                self.run_worker(told, group="alert")

    def _alert_not_told(self, why: str) -> None:
        self.say(safe(why), "bad")

    def _record(self, polled: SessionsPolled | PollFailed | CoveragePolled) -> None:
        if self._tape is not None:
            try:
                self._tape.hear(polled)
            except RecordingError as error:
                self._tape = None
                self.say(safe(str(error)), "bad")

    @on(CoveragePolled)
    def _coverage_polled(self, polled: CoveragePolled) -> None:
        self._record(polled)
        self.state.coverage = polled.coverage
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
                screen.month_polled(polled.first, polled.month)

    @on(DayRowsPolled)
    def _day_rows_polled(self, polled: DayRowsPolled) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, DaysScreen):
                screen.rows_polled(polled.day, polled.rows)

    @on(GapRead)
    def _gap_read(self, read: GapRead) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, GapScreen) and screen.row == read.row:
                screen.figures_read(read.from_ms, read.figures)

    @on(TrendsPolled)
    def _trends_polled(self, polled: TrendsPolled) -> None:
        self.state.trends.heard(polled.trends)
        reorders = self.state.view.column is SessionColumn.TREND and not self.state.held
        if reorders:
            self.state.look_at_growth()
        self.tell_screens(polled=reorders)

    @on(HistoryPolled)
    def _history_polled(self, polled: HistoryPolled) -> None:
        self.state.stream_history = {polled.key: polled.history}
        self.sessions_screen.state_changed(polled=False)

    @on(HistoryMissing)
    def _history_missing(self, missing: HistoryMissing) -> None:
        self.state.stream_history = {missing.key: missing.why}
        self.sessions_screen.state_changed(polled=False)

    @on(DeleteFinished)
    def _delete_finished(self, finished: DeleteFinished) -> None:
        self.deletions.finished(finished.outcome)

    # Whether anybody looks

    def on_app_blur(self) -> None:
        self.state.tally.begin(self.state.now_ms())
        self.poller.times_slower = TIMES_SLOWER_UNSEEN

    def on_app_focus(self, _event: events.AppFocus) -> None:
        self.poller.times_slower = 1
        self.poller.refresh()
        owing = self.state.owing()
        owed = f"{safe(owing.server)} owes {formats.age(owing.owed_ms)}" if owing else ""
        if told := self.state.tally.end(self.state.now_ms(), owed):
            self.say(told)

    # What screens ask for

    def refresh_now(self) -> None:
        """Polls now; a service that had no extension is asked for it again."""
        self.poller.look_for_extension()
        self.poller.refresh()

    def pause(self) -> None:
        """Lets the table stand still, or go on."""
        if self.state.held:
            self.state.go_on()
        else:
            self.state.hold()
        self.tell_screens(polled=True)

    def change_interval(self, steps: int) -> None:
        """Polls more often (above zero) or less."""
        faster = [one for one in INTERVALS_S if one < self.poller.interval_seconds]
        slower = [one for one in INTERVALS_S if one > self.poller.interval_seconds]
        chosen = faster[-1:] if steps > 0 else slower[:1]
        if chosen:
            self.poller.interval_seconds = chosen[0]
            self.state.poll_interval_ms = round(chosen[0] * 1000)
            self.poller.refresh()
        self.say(f"polled every {self.poller.interval_seconds:g} s", "quiet")

    def arm(self, length: str) -> None:
        """Lifts read-only for a time."""
        asked_ms = length_ms(length)
        if not self.state.read_only or asked_ms is None:
            told = "this console is not read-only" if not self.state.read_only else "arm for how long? such as 5m"
            self.say(told, "warn")
            return
        self.state.arm(min(asked_ms, LONGEST_ARMED_MS))
        self.say("deletes are possible until the countdown above ends", "bad")
        self.tell_screens(polled=True)

    def pick_profile(self, name: str) -> None:
        """Goes on with another profile."""
        if name in self._profiles:
            self._profile_picked(Picked(name, ""))
        elif not self._profiles:
            self.say("config.toml has no profiles", "warn")
        else:
            choices = [Choice(one, one, where) for one, where in self._profiles.items()]
            self.push_screen(Picker("Service", choices, current=self.state.profile_name), self._profile_picked)

    def _profile_picked(self, picked: Picked | None) -> None:
        if picked is not None and picked.value != self.state.profile_name:
            self.switch_to = picked.value
            self.exit(0)

    def look_at(self, look: ChartRequest | None) -> None:
        """Polls the history of a session's stream from now on, or of none."""
        self.poller.wish(history_of=look)

    def look_at_coverage(self, from_ms: int, carriers_from_ms: int | None, *, at_once: bool) -> None:
        """Polls the coverage since an instant from now on, and who carried what since another."""
        self.poller.wish(at_once=at_once, coverage_from_ms=from_ms, carriers_from_ms=carriers_from_ms)

    def open_days(self) -> None:
        self.push_screen(DaysScreen())

    def open_gaps(self, server: str | None = None) -> None:
        # A view below may have wished the same: this one is to be answered anew.
        self.poller.wish(coverage_from_ms=None, at_once=False)
        self.push_screen(GapsScreen(server))

    def close_gaps(self) -> None:
        self.poller.wish(coverage_from_ms=None, carriers_from_ms=None)
        self.pop_screen()

    def open_servers(self) -> None:
        self.push_screen(ServersScreen())

    def save_picture(self, file: str) -> None:
        self.say(*self.outbox.picture(file))

    def save_bundle(self, file: str) -> None:
        async def save() -> None:
            self.say(*await self.outbox.bundle(file))

        self.run_worker(save(), group="bundle", exit_on_error=True)

"""The console's app: it wires poller, state, feeds and screens, and implements the `Console` port."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.segment import Segment, Segments
from textual import events, on
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message

from streamusage.core.clock import Clock
from streamusage.core.durations import DurationError, parse_duration_ms
from streamusage.core.exit_codes import ExitCode
from tui import gc_tuning
from tui.app.actions import Context, alt_characters
from tui.app.feeds import Feeds, Notice, StateChange, alert_notice
from tui.app.key_priority import KeyPriority, run_briefly
from tui.app.messages import PollFailed, SessionsPolled, TrendsPolled
from tui.app.ports import PollSource
from tui.app.state import ConsoleState
from tui.config.profiles import Alerts
from tui.config.settings import ConnectionSettings
from tui.config.view_memory import ViewMemory
from tui.display.driver import StagedDriver, fitted
from tui.keyboard.driver import finds_escapes
from tui.keyboard.held_keys import HeldKeys
from tui.keyboard.openings import Openings
from tui.model.alerts import Alert, AlertBook
from tui.model.text import sanitize
from tui.recording.errors import RecordingError
from tui.screens.sessions import SessionsScreen
from tui.screens.views import create_view
from tui.styles.themed_app import ThemedApp
from tui.styles.themes import Abilities, abilities
from tui.widgets.selection_cursor import SelectionCursor

if TYPE_CHECKING:
    from streamusage.client.usage_client import UsageClient
    from tui.app.exporter import Exporter
    from tui.app.fetcher import Fetcher
    from tui.app.messages.views import (
        AlertsPolled,
        CoveragePolled,
        DayPolled,
        DayRowsPolled,
        GapDetailsFetched,
        GroupsPolled,
        HistoryMissing,
        HistoryPolled,
        MonthPolled,
    )
    from tui.config.reconciled_files import ReconciledFiles
    from tui.deletion.flow import DeleteFinished, DeletionFlow
    from tui.model.daily.reconciled import KeptResults
    from tui.recording.recording import Recording
    from tui.silencing.flow import SilencingFlow, SilencingService

INTERVALS_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
TIMES_SLOWER_UNFOCUSED = 5
"""Factor on the poll interval while the terminal has lost the focus."""
LONGEST_ARMED_MS = 60 * 60_000


class ConsoleApp(SelectionCursor, ThemedApp):
    """One console. Runs until it is quit; no failure of the service ends it.

    `client` is `None` where a recording is played: `make_source` returns the source of the polls then, and actions that
    need a service are refused with the source's reason. `host` names the service on the screen. `reconciled_folder` has
    the kept results of comparisons; without it there are none.
    """

    CSS_PATH = "../styles/console.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "suspend", show=False),
        Binding("ctrl+l", "repaint", "repaint", show=False),  # a user may give the key to another action of a view
    ]

    def __init__(
        self,
        client: "UsageClient | None",
        settings: ConnectionSettings,
        *,
        clock: Clock,
        journal_path: Path,
        reconciled_folder: Path | None = None,
        host: str = "",
        able: Abilities | None = None,
        memory: ViewMemory | None = None,
        recording: "Recording | None" = None,
        make_source: Callable[[Callable[[Message], object]], PollSource] | None = None,
    ) -> None:
        able = able or abilities()
        super().__init__(settings.theme, able)
        self.driver_class = finds_escapes(self.driver_class, alt_characters(settings.keys))
        self.driver_class = fitted(self.driver_class, has_stage=settings.display_stage, is_unicode=able.unicode)
        self.client = client
        self.state = self._create_state(
            clock=clock,
            host=host or (client.host if client is not None else settings.profile or ""),
            settings=settings,
            braille=able.braille,
            unicode=able.unicode,
        )
        if memory is not None:
            self.state.restore_view(memory)
        self.set_keymap(dict(settings.keys))
        self.feeds = Feeds()
        self.key_priority = KeyPriority()
        self.held_keys = HeldKeys(self, super().on_event)
        self.openings = Openings(
            self,
            self.held_keys,
            show_wait=self._show_wait,
            show_given_up=lambda name: self.show_notice(f"not opened: {name}", "quiet"),
        )
        if client is not None:
            client.pause = self.key_priority.pause
        self._table_work: deque[Generator[None, None, None]] = deque()
        """Steps that change or read the table, one after another: of polls and of exports."""
        self.poller = self._create_source(make_source, settings.poll_interval_s)
        self.sessions_screen = SessionsScreen(memory.filters if memory else [])
        self.next_profile = ""
        """The profile that was picked to continue with, once this console has ended."""
        self.check_profile: Callable[[str], str] = lambda name: ""
        """Returns why the console cannot continue with a profile; empty where it can."""
        self.first_lines: list[str] = []
        """What the operator must know from before, shown over the first frame."""
        self.profiles = settings.profiles
        self._journal_path = journal_path
        self._reconciled_folder = reconciled_folder
        self._recording = recording
        self._size_events: tuple[Size | None, int] = (None, 0)
        self._alerts = settings.alerts
        self._alert_book = AlertBook(round(self._alerts.after * 1000))

    def _create_state(self, **known: Any) -> ConsoleState:
        return ConsoleState(**known)

    def _create_source(
        self, make_source: Callable[[Callable[[Message], object]], PollSource] | None, interval_seconds: float
    ) -> PollSource:
        if make_source is not None:
            return make_source(self.post_message)
        if self.client is None:
            raise ValueError("a console without a client needs make_source")
        from tui.app.poller import Poller

        return Poller(self.client, self.post_message, interval_seconds=interval_seconds, clock=self.state.clock)

    # What a view or an action needs is imported with its first use: the first frame does not wait for it.

    @cached_property
    def deletion(self) -> "DeletionFlow":
        """What deletes."""
        from tui.deletion.flow import DeletionFlow

        return DeletionFlow(
            self.client,
            self.state,
            dialogs=self.sessions_screen,
            journal_path=self._journal_path,
            post=self.post_message,
            start=lambda work: self.run_worker(work, group="delete", exit_on_error=True),
            open_after=self.openings.open_after,
            refresh=self.poller.refresh,
            show_notice=self.show_notice,
            no_service_reason=self.poller.no_service_reason,
        )

    @cached_property
    def silencing(self) -> "SilencingFlow":
        """What silences alerts."""
        from tui.silencing.flow import SilencingFlow

        return SilencingFlow(
            self._silencing_services(),
            start=lambda work: self.run_worker(work, group="silence", exit_on_error=True),
            list_again=self._list_alerts_again,
            show_notice=self.show_notice,
            no_service_reason=self.poller.no_service_reason,
        )

    def _silencing_services(self) -> "dict[str, SilencingService]":
        from tui.silencing.flow import SilencingService

        return {} if self.client is None else {"": SilencingService(self.client, self.state)}

    def _list_alerts_again(self) -> None:
        self.fetcher.fetch_alerts()
        self.poller.refresh()  # the mark in the header

    @cached_property
    def exporter(self) -> "Exporter":
        """What copies and saves."""
        from tui.app.exporter import Exporter

        return Exporter(
            self.client,
            self.state,
            write_escape=self.write_escape,
            draw_screen=self.export_screenshot,
            no_service_reason=self.poller.no_service_reason,
            knowledge=self.poller.knowledge,
        )

    @cached_property
    def fetcher(self) -> "Fetcher":
        """What fetches data beside the polls."""
        from tui.app.fetcher import Fetcher

        return Fetcher(
            self.client,
            self.state,
            post=self.post_message,
            start=lambda work: self.run_worker(work, group="fetch", exit_on_error=True),
            no_service_reason=self.poller.no_service_reason,
            knowledge=self.poller.knowledge,
        )

    @cached_property
    def _reconciled(self) -> "ReconciledFiles | None":
        from tui.config.reconciled_files import ReconciledFiles

        return None if self._reconciled_folder is None else ReconciledFiles(self._reconciled_folder)

    def read_reconciled(self) -> "KeptResults":
        """Read what `streamtop reconcile` kept for the services. It reads files: call it in a thread."""
        from tui.model.daily.reconciled import KeptResults

        if self._reconciled is None:
            return KeptResults()
        found = self._reconciled.read()
        services = {name: part.settings.url for name, part in self.state.parts.items()} or {"": self.state.settings.url}
        comparisons = {
            name: [
                comparison
                for document in found.documents.values()
                if address in document.addresses
                for comparison in document.comparisons
            ]
            for name, address in services.items()
        }
        return KeptResults(comparisons, tuple(found.problems.values()))

    def get_default_screen(self) -> SessionsScreen:
        """Return the sessions screen: no other one is laid out and drawn below it."""
        return self.sessions_screen

    def on_mount(self) -> None:
        """Start polling after the first frame."""
        self.title = f"streamtop {sanitize(self.state.settings.profile or '')}"
        self.call_after_refresh(self._start_polling)
        self.set_interval(1, self._tick)
        self.set_timer(1, gc_tuning.resume_collections)  # the first list is drawn by then, if a service answers
        self.app_resume_signal.subscribe(self, lambda _: self.repaint())

    def on_unmount(self) -> None:
        """Undo what was begun and is not complete, such as an export."""
        for steps in self._table_work:
            steps.close()

    def _start_polling(self) -> None:
        """Start the polls, and with the first one the import of httpx, once the first frame is drawn."""
        if self.first_lines:
            from tui.screens.page import PageScreen

            self.push_screen(PageScreen(self.first_lines))
        self.run_worker(self.poller.run(), group="poll", exit_on_error=True)
        if self._recording is not None and self.client is not None:
            from tui.recording.keeper import record_knowledge

            self.run_worker(record_knowledge(self.client, self._recording, self.state.tz), group="record")

    def _fatal_error(self) -> None:
        """Exit with a traceback without values: a value may be a token, or a name with escape sequences."""
        import rich
        from rich.traceback import Traceback

        self.bell()
        traceback = Traceback(show_locals=False, width=None, suppress=[rich])
        rendered = self.console.render(traceback, self.console.options)
        self._exit_renderables.append(Segments([self._sanitize_segment(segment) for segment in rendered]))
        self._close_messages_no_wait()

    def _sanitize_segment(self, segment: Segment) -> Segment:
        lines = self._without_token(segment.text).split("\n")
        return Segment("\n".join(map(sanitize, lines)), segment.style, segment.control)

    def _without_token(self, text: str) -> str:
        return text if self.client is None else self.client.without_token(text)

    def write_escape(self, sequence: str) -> None:
        """Write an escape sequence to the terminal."""
        if self._driver is not None:
            self._driver.write(sequence)

    def show_notice(self, text: str, ink: str = "strong") -> None:
        """Show a notice on the sessions screen and on the screen on top."""
        self.feeds.notices.publish(Notice(text, ink))

    def _show_wait(self, name: str) -> None:
        self.state.opening = name
        self.publish_state(polled=False)

    def _tick(self) -> None:
        self.publish_state(polled=False)

    def publish_state(self, *, polled: bool) -> None:
        """Redraw every screen that is visible."""
        self.feeds.state.publish(StateChange(polled))

    # Messages of the poller and the fetcher

    @on(SessionsPolled)
    @on(PollFailed)
    def _polled(self, polled: SessionsPolled | PollFailed) -> None:
        self._write_recording(polled)
        if isinstance(polled, PollFailed):
            self.queue_table_work(self._record_failure(polled))
        else:
            self.queue_table_work(self._apply_poll(polled))

    def queue_table_work(self, steps: Generator[None, None, None]) -> None:
        """Run steps that read or change the whole table, between keys; those that come meanwhile are run afterwards."""
        self._table_work.append(steps)
        if len(self._table_work) == 1:
            waiting = self._run_table_work()
            if not run_briefly(waiting):
                self.run_worker(self.key_priority.run(waiting), group="apply", exit_on_error=True)

    def _run_table_work(self) -> Iterator[None]:
        while self._table_work:
            yield from self._table_work[0]
            self._table_work.popleft()

    def _record_failure(self, failed: PollFailed) -> Generator[None, None, None]:
        self.state.record_failure(failed)
        self.publish_state(polled=True)
        yield from ()

    def _apply_poll(self, polled: SessionsPolled) -> Generator[None, None, None]:
        began = time.perf_counter()
        yield from self.state.apply_steps(polled)
        self.state.record_audience()
        applied = time.perf_counter()
        if polled.split is not None:
            self.state.latency.add(polled.split._replace(apply_ms=1000 * (applied - began)))
        if polled.reset:
            gc_tuning.freeze_after_large_poll(len(polled.changed))
        if "deletion" in vars(self):  # nothing was deleted before
            self.deletion.verify(polled.service)
        self._raise_alerts()
        self.publish_state(polled=True)
        self.call_after_refresh(lambda: self.state.latency.painted(1000 * (time.perf_counter() - applied)))

    def arrange(self, *, by_growth: bool = False) -> None:
        """Complete the order or the filter that was begun; a long one in slices, while the table shows the one before.

        With `by_growth` the growth of each session is computed first.
        """
        steps = self.state.growth_steps() if by_growth else self.state.view.steps()
        if not run_briefly(steps):
            self.run_worker(self._arrange(steps), group="arrange", exclusive=True, exit_on_error=True)

    async def _arrange(self, steps: Iterator[None]) -> None:
        await self.key_priority.run_for_key(steps)
        self.publish_state(polled=True)

    async def on_event(self, event: events.Event) -> None:
        """Handle an event. Keys are handled one after another, and long work gives way to them."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self.key_priority.key_pressed()
            await self.held_keys.receive(event)
        elif not (isinstance(event, events.Key) and self.held_keys.has_lost_its_screen(event)):
            await super().on_event(event)

    def _raise_alerts(self) -> None:
        self._deliver_alerts(self._alert_book.update(self.state.servers or ()), self._alerts)

    def _deliver_alerts(self, raised: Iterable[Alert], alerts: Alerts) -> None:
        for alert in raised:
            from tui.app.alert_delivery import escape_sequences, run_command

            self.feeds.notices.publish(alert_notice(alert, self.state.owed_ms))
            if sequences := escape_sequences(alert, alerts):
                self.write_escape(sequences)
            if alerts.command:
                command = run_command(alert, alerts.command, self._alert_failed, self._without_token)
                self.run_worker(command, group="alert")

    def _alert_failed(self, reason: str) -> None:
        self.show_notice(sanitize(reason), "bad")

    def _write_recording(self, polled: "SessionsPolled | PollFailed | CoveragePolled") -> None:
        if self._recording is not None:
            try:
                self._recording.write_message(polled)
            except RecordingError as error:
                self._recording = None
                self.show_notice(sanitize(str(error)), "bad")

    @on(TrendsPolled)
    def _trends_polled(self, polled: TrendsPolled) -> None:
        self.state.apply_trends(polled.trends)
        self._trends_changed()

    def _trends_changed(self) -> None:
        reorders = self.state.view.sorted_by_growth and not self.state.is_paused
        if reorders:
            self.arrange(by_growth=True)
        self.publish_state(polled=reorders)

    # Found by name: these messages are imported with the view that subscribes to them.

    def on_coverage_polled(self, polled: "CoveragePolled") -> None:
        """Pass the coverage on to the views."""
        self._write_recording(polled)
        self.state.coverage = polled.coverage
        self.feeds.coverage.publish(polled)

    def on_day_polled(self, polled: "DayPolled") -> None:
        """Pass a server's day on."""
        self.feeds.day.publish(polled)

    def on_month_polled(self, polled: "MonthPolled") -> None:
        """Pass a month on."""
        self.feeds.month.publish(polled)

    def on_day_rows_polled(self, polled: "DayRowsPolled") -> None:
        """Pass the rows of a day on."""
        self.feeds.day_rows.publish(polled)

    def on_groups_polled(self, polled: "GroupsPolled") -> None:
        """Pass sums of streams on."""
        self.feeds.groups.publish(polled)

    def on_alerts_polled(self, polled: "AlertsPolled") -> None:
        """Pass the alerts on."""
        self.feeds.alerts.publish(polled)

    def on_gap_details_fetched(self, fetched: "GapDetailsFetched") -> None:
        """Pass the details of a gap on."""
        self.feeds.gap_details.publish(fetched)

    def on_history_polled(self, polled: "HistoryPolled") -> None:
        """Keep the history of the stream whose detail is open."""
        self.state.stream_history = {polled.key: polled.history}
        self.feeds.history.publish(None)

    def on_history_missing(self, missing: "HistoryMissing") -> None:
        """Keep why there is no history."""
        self.state.stream_history = {missing.key: missing.why}
        self.feeds.history.publish(None)

    def on_delete_finished(self, finished: "DeleteFinished") -> None:
        """Show what a delete did."""
        self.deletion.finish(finished.outcome)

    # Focus of the terminal

    def on_app_blur(self) -> None:
        """Poll less often while the terminal has lost the focus."""
        self.state.tally.begin(self.state.now_ms())
        self.poller.times_slower = self.state.times_slower = TIMES_SLOWER_UNFOCUSED

    def on_app_focus(self, _event: events.AppFocus) -> None:
        """Poll at the usual interval again, and summarise what happened meanwhile."""
        if self.poller.times_slower > 1:
            self.repaint()
        self.poller.times_slower = self.state.times_slower = 1
        self.poller.refresh()
        owing = self.state.unseen.owing_most
        owed = f"{sanitize(owing.server)} owes time" if owing else ""
        if summary := self.state.tally.end(self.state.now_ms(), owed):
            self.show_notice(summary)

    def on_resize(self, event: events.Resize) -> None:
        """Draw everything again if the size is as before: it may have been another one in between."""
        size, events_of_it = self._size_events
        events_of_it = events_of_it + 1 if size == event.size else 1
        self._size_events = event.size, events_of_it
        if events_of_it > 2:  # a terminal that is asked to report changes repeats its size once
            self.repaint()

    # Verbs of the port

    def repaint(self) -> None:
        """Draw the whole screen again, whatever the terminal shows."""
        if isinstance(self._driver, StagedDriver):
            self._driver.forget()
        self.refresh()

    async def action_quit(self) -> None:
        """Quit, by ctrl+c."""
        self.exit(ExitCode.INTERRUPTED)

    def action_suspend_process(self) -> None:
        """Leave the terminal to the shell until the shell continues the console."""
        from tui.display.suspension import stop_job

        was_stopped = False
        with contextlib.suppress(SuspendNotSupported), self.suspend():
            was_stopped = stop_job()
        if not was_stopped:
            self.show_notice("not suspended: no shell could continue the console", "warn")

    def action_repaint(self) -> None:
        """Draw the whole screen again."""
        self.repaint()

    def refresh_now(self) -> None:
        """Poll now, and look again for the extension."""
        self.poller.start_over()

    def toggle_pause(self) -> None:
        """Pause the table, or resume it."""
        if self.state.is_paused:
            self.state.resume()
        else:
            self.state.pause()
        self.publish_state(polled=True)

    def change_interval(self, steps: int) -> None:
        """Poll more often (above zero) or less often."""
        faster = [seconds for seconds in INTERVALS_S if seconds < self.poller.interval_seconds]
        slower = [seconds for seconds in INTERVALS_S if seconds > self.poller.interval_seconds]
        chosen = faster[-1:] if steps > 0 else slower[:1]
        if chosen:
            self.poller.interval_seconds = chosen[0]
            self.state.poll_interval_ms = round(chosen[0] * 1000)
            self.poller.refresh()
        self.show_notice(f"polled every {self.poller.interval_seconds:g}s", "quiet")

    def arm(self, length: str) -> None:
        """Lift read-only for a time such as `5m`, at most an hour."""
        if no_service := self.poller.no_service_reason:
            self.show_notice(no_service, "warn")
        else:
            self._arm(self.state, length)

    def _arm(self, state: ConsoleState, length: str) -> None:
        if not state.settings.read_only:
            self.show_notice("this console is not read-only", "warn")
        else:
            try:
                armed_ms = parse_duration_ms(length)
            except DurationError:
                self.show_notice("arm for how long? such as 5m", "warn")
                return
            state.arm(min(armed_ms, LONGEST_ARMED_MS))
            self.show_notice("deletes are possible until the countdown above ends", "bad")
            self.publish_state(polled=True)

    def switch_profile(self, name: str) -> None:
        """End this console and continue with another profile; one that cannot be used is explained instead."""
        if name == self.state.settings.profile:
            return
        if reason := self.check_profile(name):
            from tui.screens.page import PageScreen

            self.push_screen(
                PageScreen([f"{sanitize(name)} cannot be used; nothing was changed.", "", sanitize(reason)])
            )
        else:
            self.next_profile = name
            self.exit(0)

    def open_view(self, view: Context, **arguments: Any) -> None:
        """Open another view over this one."""
        self.push_screen(create_view(view, **arguments))

    def open_when_free(self, show: Callable[[], object]) -> None:
        """Call `show`, which opens a screen that no key has requested, when it interrupts nothing."""
        self.openings.open_when_free(show)

    def save_picture(self, file: str) -> None:
        """Save the screen as an SVG file."""
        self.show_notice(*self.exporter.save_picture(file))

    def save_bundle(self, file: str) -> None:
        """Save an incident bundle."""

        async def save() -> None:
            self.show_notice(*await self.exporter.save_bundle(file))

        self.run_worker(save(), group="bundle", exit_on_error=True)

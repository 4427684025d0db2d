"""The demo's console: several services, and one line that leads through what to look at.

A hint is shown until what it names was seen, then the next one. After the last one the line disappears. ctrl+t hides
it.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import Clock, SystemClock
from streamusage.core.coverage import Provenance
from tui import gc_tuning
from tui.app.endings import Endings
from tui.app.services.app import ServicesApp
from tui.config.hidden_token import HiddenToken
from tui.config.settings import ConnectionSettings
from tui.demo.regions import BEGINS_MS, CUT_OFF, EU
from tui.screens.alerts.alerts import AlertsScreen
from tui.screens.base import ConsoleScreen
from tui.screens.days import DaysScreen
from tui.screens.gap import GapScreen
from tui.screens.gaps import GapsScreen
from tui.widgets.lines import Line, Part

POLL_SECONDS = 1.0
READING_MS = 6_000
"""How long a text is shown at least after what it explains is seen."""
LEAST_ROWS = 20
"""In a terminal with fewer rows there is no hint: it would take the place of figures."""
_CHECK_SECONDS = 0.25
DISMISS = "ctrl+t"


@dataclass(frozen=True)
class Hint:
    """A text for the present screen, the key that it names, and whether what it explains is seen now."""

    text: str
    key: str = ""
    is_seen: bool = False


def _lower_bounds(app: "DemoApp") -> Hint:
    if isinstance(app.screen, AlertsScreen):
        if app.alert_fires():
            return Hint("The service alerts, here or by webhook, until it is back.", "esc", is_seen=True)
        return Hint("Its alert has ended by itself." if app.had_alert else "No alert yet. Soon one fires.", "esc")
    if app.is_owed():
        if app.alert_fires():
            return Hint("edge-2 is missing: ≥ marks lower bounds. Its alert:", "a", is_seen=True)
        return Hint("edge-2 is missing: ≥ marks lower bounds. Nothing is guessed.", is_seen=app.had_alert)
    if app.had_alert:
        return Hint("edge-2 was missing: its sums had ≥. Its alert has ended:", "a", is_seen=True)
    if app.had_outage:  # it was over before this hint was on the screen again
        return Hint("edge-2 was missing: its sums had ≥. Now they are whole.", is_seen=True)
    return Hint("Soon edge-2 loses its network. Watch the sums above.")


def _gap(app: "DemoApp") -> Hint:
    if isinstance(app.screen, AlertsScreen):
        return Hint("Who reported what, and when? Back to the sessions:", "esc")
    if isinstance(app.screen, GapScreen):
        return Hint("Its timeline, and what its late report added.", "esc", is_seen=True)
    if not isinstance(app.screen, GapsScreen):
        return Hint("Who reported what, and when? See the gap of edge-2:", "g")
    if app.is_filled():
        return Hint("▒ is backfilled: each unit once. N and ⏎ show it.", "esc", is_seen=True)
    if app.is_owed():
        return Hint("· is not reported yet, not zero. Wait: it heals by itself.")
    return Hint("█ is reported in time." + ("" if app.had_outage else " Soon edge-2 loses its network."))


def _days(app: "DemoApp") -> Hint:
    if isinstance(app.screen, AlertsScreen):
        return Hint("A month of days, what came late, what is lost:", "esc y")
    if not isinstance(app.screen, DaysScreen):
        return Hint("A month of days, what came late, what is lost:", "y")
    if app.screen.opened is None and not app.screen.shows_groups:
        return Hint("Final figures never change. See the customers:", "shift+tab")
    return Hint("Closed days are signed: streamtop daily export", is_seen=True)


HINTS: tuple[Callable[["DemoApp"], Hint], ...] = (_lower_bounds, _gap, _days)
"""The three things to look at, in their order."""
_HINT_OF_VIEW: dict[type[ConsoleScreen], int] = {AlertsScreen: 0, GapsScreen: 1, GapScreen: 1, DaysScreen: 2}


class HintLine(Widget):
    """The line at the foot of whatever view is on top."""

    DEFAULT_CSS = """
    HintLine { dock: bottom; height: 1; background: $primary 30%; }
    HintLine Line { background: $primary 30%; }
    """

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        yield Line(id="hint")

    def show(self, hint: Hint, number: int) -> None:
        """Show a hint."""
        for line in self.query(Line):
            line.show(*hint_parts(hint, number))


def hint_parts(hint: Hint, number: int) -> tuple[list[Part], list[Part]]:
    """Return left: number, text and key; right: how to hide it."""
    left: list[Part] = [(f" {number + 1}/{len(HINTS)} ", "accent"), (hint.text, "strong")]
    if hint.key:
        left.append((f" {hint.key}", "accent"))
    return left, [(f"{DISMISS} hides ", "quiet")]


class DemoApp(ServicesApp):
    """The console of the demo's services, with hints."""

    CSS_PATH = str(Path(__file__).parents[1] / "styles" / "console.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [Binding(DISMISS, "hide_hints", "hide hints", show=False, priority=True)]

    def __init__(
        self, clients: Mapping[str, UsageClient], settings: ConnectionSettings, *, clock: Clock, journal_path: Path
    ) -> None:
        super().__init__(clients, settings, clock=clock, journal_path=journal_path)
        # The demo's time is its own, and its clock is fast on purpose; times are shown in the machine's own zone.
        for state in (self.state, *self.state.parts.values()):
            state.shows_skew, state.tz = False, None
        self.unseen = list(range(len(HINTS)))
        """The numbers of the hints whose subject was not seen yet."""
        self.had_outage = False
        """Whether the server of the outage owed figures at some time."""
        self.had_alert = False
        """Whether an alert of its service fired at some time."""
        self._shown: int | None = None
        self._seen_since_ms: int | None = None
        """Since when the subject of the hint shown is seen."""

    def on_mount(self) -> None:
        """Begin with the first hint."""
        # Textual calls the base class's own as well.
        self.set_interval(_CHECK_SECONDS, self._show_hint)

    def is_owed(self) -> bool:
        """Whether the server of the outage owes figures now."""
        owing = self.state.parts[EU.name].unseen.owing_most
        return owing is not None and owing.server == CUT_OFF

    def alert_fires(self) -> bool:
        """Whether the service of the outage has an alert that fires and is not silenced."""
        alerts = self.state.parts[EU.name].alerts
        return alerts is not None and alerts.firing > 0

    def is_filled(self) -> bool:
        """Whether the gap view shows that its time was backfilled."""
        gaps = next((screen for screen in self.screen_stack if isinstance(screen, GapsScreen)), None)
        timelines = gaps.book.servers.items() if gaps is not None else ()
        spans = [span for name, timeline in timelines if name.endswith(CUT_OFF) for span in timeline.spans]
        recent = [span for span in spans if span.to_ms > BEGINS_MS]
        return any(span.state is Provenance.BACKFILLED for span in recent) and not self.is_owed()

    def _show_hint(self) -> None:
        if not self.unseen or not self.screen_stack:  # all are seen or hidden, or the app has ended
            return
        self.had_outage = self.had_outage or self.is_owed()
        self.had_alert = self.had_alert or self.alert_fires()
        of_view = _HINT_OF_VIEW.get(type(self.screen)) if isinstance(self.screen, ConsoleScreen) else None
        number = of_view if of_view in self.unseen else self.unseen[0]
        hint, now_ms = HINTS[number](self), self.state.clock.elapsed_ms()
        if self._seen_since_ms is not None and self._shown is not None:
            left = number != self._shown or not hint.is_seen
            if left or now_ms - self._seen_since_ms >= READING_MS:
                self._forget(self._shown)
                return
        elif hint.is_seen:
            self._seen_since_ms = now_ms
        self._shown = number
        self._draw_hint(hint, number)

    def _draw_hint(self, hint: Hint, number: int) -> None:
        screen = self.screen
        if not isinstance(screen, ConsoleScreen):
            return
        lines = screen.query(HintLine)
        if self.size.height < LEAST_ROWS:
            lines.remove()
        elif lines:
            lines.first().show(hint, number)
        else:
            screen.mount(HintLine())

    def _forget(self, number: int) -> None:
        """Show this hint no more."""
        self._seen_since_ms, self._shown = None, None
        self.unseen.remove(number)
        if not self.unseen:
            self.action_hide_hints()

    def action_hide_hints(self) -> None:
        """Show no hint any more."""
        self.unseen = []
        for screen in self.screen_stack:
            screen.query(HintLine).remove()


def demo_settings(attach: Mapping[str, Any]) -> ConnectionSettings:
    """Return the settings of the console for the services that `streamtop demo --headless` prints."""
    services = tuple(
        ConnectionSettings(
            url=service["url"],
            token=HiddenToken(Path(service["token_file"]).read_text("utf-8").strip()),
            token_file=Path(service["token_file"]),
            profile=name,
            poll_interval_s=POLL_SECONDS,
        )
        for name, service in attach["services"].items()
    )
    return ConnectionSettings(profile=",".join(attach["services"]), poll_interval_s=POLL_SECONDS, services=services)


def run_with_hints(attach: Mapping[str, Any]) -> int:
    """Run the console until it is quit; return the exit code. No file of the user is read or written."""
    gc_tuning.collect_less_often()
    gc_tuning.freeze_modules()
    with Endings() as endings:
        return asyncio.run(_run(attach, endings))


async def _run(attach: Mapping[str, Any], endings: Endings) -> int:
    from tui.config.service_client import open_client

    settings, clock = demo_settings(attach), SystemClock()
    journal_path = Path(attach["token_file"]).with_name("deleted.ndjson")
    async with AsyncExitStack() as stack:
        clients = {
            service.profile or "": await stack.enter_async_context(open_client(service, clock))
            for service in settings.services
        }
        return await endings.run(DemoApp(clients, settings, clock=clock, journal_path=journal_path))

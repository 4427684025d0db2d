"""The tour: the console on the demo's estate, with captions that explain the screen and name the key to press.

A caption is shown until its condition holds. ctrl+n shows the next one at once, ctrl+t ends the tour.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widget import Widget

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.core.coverage import Provenance
from tui.app.console_app import ConsoleApp
from tui.app.endings import Endings
from tui.config.settings import ConnectionSettings
from tui.demo.regions import BEGINS_MS, CUT_OFF
from tui.screens.confirm_delete import ConfirmDelete
from tui.screens.days import DaysScreen
from tui.screens.gap import GapScreen
from tui.screens.gaps import GapsScreen
from tui.widgets.lines import Line, Part

POLL_SECONDS = 0.5
_CHECK_EVERY_SECONDS = 0.2
_CRASHED = "edge-1"
SPEED = 20
"""Speed of time once the outage has begun. Until then it is real time, so that midnight waits for the reader."""


@dataclass(frozen=True)
class TourStep:
    """A caption of two lines, its condition, and what happens when it begins."""

    caption: tuple[str, str]
    done: Callable[["TourApp"], bool]
    press: str = ""
    """The key that it names."""
    happens: str = ""
    """Lines for the estate's control."""


def _on(kind: type[Screen[Any]]) -> Callable[["TourApp"], bool]:
    return lambda app: isinstance(app.screen, kind)


def _on_sessions(app: "TourApp") -> bool:
    return app.screen is app.sessions_screen and not app.sessions_screen.detail_is_open


def _owed(app: "TourApp") -> bool:
    owing = app.state.unseen.owing_most
    return owing is not None and owing.server == CUT_OFF


def _past_midnight(app: "TourApp") -> bool:
    return app.state.now_ms() % 86_400_000 < 43_200_000


def _filled(app: "TourApp") -> bool:
    gaps = next((screen for screen in app.screen_stack if isinstance(screen, GapsScreen)), None)
    timeline = gaps.book.servers.get(CUT_OFF) if gaps else None
    spans = timeline.spans if timeline else []
    recent = [span for span in spans if span.to_ms > BEGINS_MS]
    return any(span.state is Provenance.BACKFILLED for span in recent) and not _owed(app)


def _by_customer(app: "TourApp") -> bool:
    return isinstance(app.screen, DaysScreen) and app.screen.shows_groups


STEPS = (
    TourStep(
        (
            "Three servers, a dozen streams. ACTIVE is who watches now.",
            "Move with j and k; press ⏎ for details of the stream under the cursor.",
        ),
        lambda app: app.sessions_screen.detail_is_open,
        "⏎",
    ),
    TourStep(
        (
            "Its audience over the last hour, and which server carries how much of it.",
            "Press esc to go back to the sessions.",
        ),
        _on_sessions,
        "esc",
    ),
    TourStep(
        (
            "Minutes before midnight edge-2 loses its network. Its agent keeps counting.",
            "Press g to see the coverage of each server.",
        ),
        _on(GapsScreen),
        "g",
        f"cut {CUT_OFF}\nspeed {SPEED}",
    ),
    TourStep(
        (
            "One row a server, one cell a minute, newest right. █ was reported live.",
            "Three syncs must fail before a gap is detected. Wait for the · of edge-2 …",
        ),
        _owed,
    ),
    TourStep(
        (
            "· is missing: not reported yet, which is not zero. The header names the server.",
            "Now edge-1's agent crashes and restarts: its row stays complete. ctrl+n.",
        ),
        lambda app: False,
        "ctrl+n",
        f"crash {_CRASHED}",
    ),
    TourStep(
        (
            "The outage lasts over midnight: it will belong to two accounting days.",
            "Wait for it … and try - and + for coarser and finer cells, tab for streams.",
        ),
        _past_midnight,
    ),
    TourStep(
        (
            "The network is back. The agent has waited ever longer between its attempts.",
            "Look at edge-2: its cells turn into ▒ when the delta is applied …",
        ),
        _filled,
        "",
        f"heal {CUT_OFF}",
    ),
    TourStep(
        (
            "▒ is backfilled: reported later. The service keeps when, and what it added.",
            "Press n until the cursor is on it, then ⏎ to open it.",
        ),
        _on(GapScreen),
        "n ⏎",
    ),
    TourStep(
        (
            "The gap in full: its timeline, its delta, minute by minute, stream by stream.",
            "Press esc, then y for the daily statistics.",
        ),
        _on(DaysScreen),
        "esc y",
    ),
    TourStep(
        (
            "A month: final days never change, ADJUSTED came later; ▄ is partial, × is lost.",
            "⏎ shows a day by server, tab by stream. Press shift+tab for the customers.",
        ),
        _by_customer,
        "shift+tab",
    ),
    TourStep(
        (
            "The month by customer. What is closed is in a signed statement:",
            "streamtop daily export writes it. Press esc until you are back.",
        ),
        _on_sessions,
        "esc",
    ),
    TourStep(
        (
            "A usage record can be deleted. Choose a session that has ended, and press d.",
            "Nothing is sent before you confirm the dialog.",
        ),
        _on(ConfirmDelete),
        "d",
    ),
    TourStep(
        (
            "It lists what would be deleted. Cancel has the focus; → and ⏎ would delete.",
            "Daily statistics stay as they are; the record goes to a local journal first.",
        ),
        lambda app: not isinstance(app.screen, ConfirmDelete),
        "⏎",
    ),
    TourStep(
        (
            "That was the tour. ? shows every key of the view.",
            "Look around as long as you like; q quits, and nothing is left behind.",
        ),
        lambda app: False,
        "q",
    ),
)


class Caption(Widget):
    """The caption at the foot of whatever screen is on top."""

    DEFAULT_CSS = """
    Caption { dock: bottom; height: 3; background: $primary 30%; }
    Caption Line { background: $primary 30%; }
    """

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        for number in range(3):
            yield Line(id=f"caption-{number}")

    def show(self, step: TourStep, number: int) -> None:
        """Show a step's caption."""
        lines = list(self.query(Line))
        if len(lines) < 3:
            return
        for line, text in zip(lines, step.caption, strict=False):
            line.show([(f" {text}", "strong")])
        keys: list[Part] = [(f" press {step.press}", "accent")] if step.press else [(" wait", "accent")]
        lines[2].show(keys, [(f"{number + 1} of {len(STEPS)}   ctrl+n next   ctrl+t end the tour ", "quiet")])


class TourApp(ConsoleApp):
    """The console with captions. `control` sends a line to the estate."""

    CSS_PATH = str(Path(__file__).parents[1] / "styles" / "console.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+n", "tour_next", "next", show=False, priority=True),
        Binding("ctrl+t", "tour_leave", "end the tour", show=False, priority=True),
    ]

    def __init__(self, client: UsageClient, control: Callable[[str], None], journal_path: Path) -> None:
        super().__init__(
            client,
            ConnectionSettings(profile="tour", poll_interval_s=POLL_SECONDS),
            clock=SystemClock(),
            journal_path=journal_path,
        )
        self.state.shows_skew = False  # the demo's time is its own, and its clock is fast on purpose
        self.sessions_screen.opens_beside = False  # a caption explains the key
        self._control = control
        self.step: int | None = 0
        """The number of the caption; `None` once the tour has ended."""

    def on_mount(self) -> None:
        """Prepare the widgets."""
        # Textual calls the base class's own as well.
        self.set_interval(_CHECK_EVERY_SECONDS, self._check)

    def _check(self) -> None:
        if self.step is None or not self.screen_stack:  # the tour or the app has ended
            return
        if STEPS[self.step].done(self):
            self.action_tour_next()
        self._show()

    def _show(self) -> None:
        if self.step is None:
            return
        captions = self.screen.query(Caption)
        if captions:
            captions.first().show(STEPS[self.step], self.step)
        else:
            self.screen.mount(Caption())

    def action_tour_next(self) -> None:
        """Show the next caption; its event happens now."""
        if self.step is None or self.step + 1 >= len(STEPS):
            return
        self.step += 1
        if STEPS[self.step].happens:
            for line in STEPS[self.step].happens.splitlines():
                self._control(line)
        self._show()

    def action_tour_leave(self) -> None:
        """End the tour; broken connections are restored."""
        self.step = None
        self._control(f"heal {CUT_OFF}")
        for screen in self.screen_stack:
            screen.query(Caption).remove()


def run_tour(attach: Mapping[str, Any], control: Callable[[str], None]) -> int:
    """Run the tour on the first service until the console is quit; return the exit code."""
    token_file = Path(attach["token_file"])
    token, journal_path = token_file.read_text("utf-8").strip(), token_file.with_name("deleted.ndjson")
    with Endings() as endings:
        return asyncio.run(_run(attach["url"], token, control, journal_path, endings))


async def _run(url: str, token: str, control: Callable[[str], None], journal_path: Path, endings: Endings) -> int:
    async with UsageClient(url, token) as client:
        return await endings.run(TourApp(client, control, journal_path))

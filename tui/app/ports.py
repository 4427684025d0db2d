"""The console as its screens see it, and the source that polls for it.

A screen knows this module and never the app: `ConsoleApp` implements `Console`; `Poller` and `Player` implement
`PollSource`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, Unpack

if TYPE_CHECKING:
    from streamusage.api.alerts import AlertStatus, Silence
    from streamusage.api.extension import CoverageSpan
    from tui.app.actions import Context
    from tui.app.feeds import Feeds
    from tui.app.state import ConsoleState
    from tui.deletion.plan import Radius
    from tui.deletion.selection import Selection
    from tui.model.daily.groups import GroupRequest
    from tui.model.daily.reconciled import KeptResults
    from tui.model.sessions.chart import ChartRequest
    from tui.model.sessions.store import Session
    from tui.recording.knowledge import Knowledge
    from tui.silencing.flow import SilenceDialogs


class NoServiceError(Exception):
    """An action needs a service and the console has none. The text says why."""


class SubscriptionChanges(TypedDict, total=False):
    """What is polled beside the sessions, as far as it changes; `None` ends a subscription."""

    coverage_from_ms: int | None
    """Start of the time whose coverage is polled."""
    carriers_from_ms: int | None
    """Start of the time for which it is polled which server carried which stream."""
    history_of: ChartRequest | None
    """The chart whose stream's history is polled."""


class PollSource(Protocol):
    """Polls a service, or plays back what was polled once."""

    interval_seconds: float
    times_slower: int
    """Factor on the interval while the terminal has lost the focus."""
    no_service_reason: str
    """Why nothing can be fetched beside the polls; empty where a service answers."""

    @property
    def knowledge(self) -> Knowledge | None:
        """What a recording has beside its polls; `None` where a service answers."""

    async def run(self) -> None:
        """Poll until cancelled."""

    def refresh(self) -> None:
        """Poll as soon as possible, but not while the service wants to be left alone."""

    def start_over(self) -> None:
        """Poll now, also where the service wants to be left alone, and look again for our extension."""

    def subscribe(
        self,
        *,
        at_once: bool = True,
        coverage_from_of: Mapping[str, int] | None = None,
        **changes: Unpack[SubscriptionChanges],
    ) -> None:
        """Change what is polled beside the sessions, and poll now unless `at_once` is false or nothing changed.

        Where there are several services, `coverage_from_of` has the start of the coverage at each; one service has no
        use for it.
        """


class FetcherPort(Protocol):
    """Fetches data beside the polls. Answers arrive by the feeds."""

    def fetch_day(self, server: str, day: date) -> None:
        """Fetch one server's day."""

    def fetch_month(self, first: date) -> None:
        """Fetch the daily statistics of the month that begins on `first`."""

    def fetch_day_rows(self, day: date) -> None:
        """Fetch the roles and servers of a day."""

    def fetch_groups(self, request: GroupRequest) -> None:
        """Fetch sums by stream, scope or customer. It may take minutes."""

    def abandon_groups(self) -> None:
        """Abandon all requests for sums by stream, scope or customer: their answers do not arrive."""

    def fetch_alerts(self) -> None:
        """Fetch the alerts of the service, how their deliveries fare, and the silences in force."""

    def fetch_gap(self, row: str, span: CoverageSpan, *, of_stream: bool) -> None:
        """Fetch the details of a gap of a server, or of a stream."""


Exported = tuple[str, str]
"""A notice of what was written, or why not, and its ink."""


class ExporterPort(Protocol):
    """Copies and saves. Texts for the operator are safe to draw."""

    def file_name(self, ending: str) -> str:
        """Return a name for a new file in the current folder."""

    def shell_commands(self, session: Session) -> list[str]:
        """Return the commands that fetch the session's stream: `streamtop ls` and `curl`. Raises `NoServiceError`."""

    def copy(self, text: str, label: str) -> str:
        """Copy a text to the terminal's clipboard. Returns a notice."""

    def save_in_steps(self, file: str, chunks: Iterable[str], label: str) -> Generator[None, None, Exported]:
        """Write a new file, a chunk a step. Returns a notice and its ink."""


class DeletionPort(Protocol):
    """Deletes usage records after a dialog has confirmed them."""

    def request(self, chosen: Selection, radius: Radius) -> None:
        """Open the dialog for these sessions, or show a notice with the reason why nothing can be deleted."""

    def undo(self) -> None:
        """Restore the records of the last delete, or show a notice with the reason why that is not possible."""

    def open_journal(self) -> None:
        """List the records deleted from this machine, to restore them."""


class SilencingPort(Protocol):
    """Begins and ends silences of alerts after a dialog has confirmed them. One service has an empty name."""

    def request_silence(self, service: str, alert: AlertStatus, dialogs: SilenceDialogs) -> None:
        """Open the dialog for an alert, or show a notice with the reason why it cannot be silenced."""

    def request_end(
        self, service: str, silence: Silence, alerts: Sequence[AlertStatus], dialogs: SilenceDialogs
    ) -> None:
        """Open the dialog for a silence, or show a notice with the reason why it cannot be ended."""


class Console(Protocol):
    """State, feeds and verbs of a running console."""

    @property
    def state(self) -> ConsoleState:
        """What is known. Screens read it; only the app's handlers change what was polled."""

    @property
    def feeds(self) -> Feeds:
        """What arrives."""

    @property
    def poller(self) -> PollSource:
        """What polls."""

    @property
    def fetcher(self) -> FetcherPort:
        """What fetches data beside the polls."""

    @property
    def exporter(self) -> ExporterPort:
        """What copies and saves."""

    @property
    def deletion(self) -> DeletionPort:
        """What deletes."""

    @property
    def silencing(self) -> SilencingPort:
        """What silences alerts."""

    @property
    def profiles(self) -> Mapping[str, str]:
        """The other services of config.toml: address by profile."""

    def read_reconciled(self) -> KeptResults:
        """Read what `streamtop reconcile` kept for the services. It reads files: call it in a thread."""

    def show_notice(self, text: str, ink: str = "strong") -> None:
        """Show a notice on the sessions screen and on the screen on top."""

    def publish_state(self, *, polled: bool) -> None:
        """Redraw every screen that is visible."""

    def arrange(self, *, by_growth: bool = False) -> None:
        """Complete the order or the filter that was begun, or the order by growth; a long one in slices."""

    def queue_table_work(self, steps: Generator[None, None, None]) -> None:
        """Run steps that read the whole table, between keys. The polls that arrive meanwhile are applied afterwards.

        Steps that the end of the console interrupts are closed.
        """

    def open_view(self, view: Context, **arguments: Any) -> None:
        """Open another view over this one."""

    def open_when_free(self, show: Callable[[], object]) -> None:
        """Call `show`, which opens a screen that no key has requested, when it interrupts nothing."""

    def repaint(self) -> None:
        """Draw the whole screen again, whatever the terminal shows."""

    def refresh_now(self) -> None:
        """Poll now, and look again for the extension."""

    def toggle_pause(self) -> None:
        """Pause the table, or resume it."""

    def change_interval(self, steps: int) -> None:
        """Poll more often (above zero) or less often."""

    def arm(self, length: str) -> None:
        """Lift read-only for a time such as `5m`."""

    def switch_profile(self, name: str) -> None:
        """End this console and continue with another profile."""

    def save_picture(self, file: str) -> None:
        """Save the screen as an SVG file."""

    def save_bundle(self, file: str) -> None:
        """Save an incident bundle."""

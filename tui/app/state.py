"""Everything the console knows at a moment, in one place. Only the app's message handlers change it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import tzinfo

from streamusage.api.extension import Coverage, History, ServerStatus
from streamusage.client.schema_drift import SchemaDrift
from streamusage.core.clock import Clock
from streamusage.core.usage import SessionKey
from tui.app.messages import PollFailed, SessionsPolled
from tui.config.view_memory import ViewMemory
from tui.model.latency import Latency
from tui.model.sessions.columns import SHOWN, Density
from tui.model.sessions.filter import FilterError, parse
from tui.model.sessions.held_changes import HeldChanges
from tui.model.sessions.history import PollHistory
from tui.model.sessions.marks import Marks
from tui.model.sessions.sparkline import Point
from tui.model.sessions.store import Change, Session, SessionStore
from tui.model.sessions.tally import Tally
from tui.model.sessions.timeline import PollTimeline
from tui.model.sessions.trends import TrendBook
from tui.model.sessions.view import SessionColumn, SessionView
from tui.model.staleness import Freshness, freshness

GROWTH_MINUTES = 10
"""How far back the order by trend looks."""


@dataclass
class ConsoleState:
    """What was heard, and when. Widgets read it and never a client."""

    clock: Clock
    host: str
    profile_name: str
    poll_interval_ms: int
    read_only: bool = False
    keymap: Mapping[str, str] = field(default_factory=dict)
    """The user's own keys, by action."""
    tz: tzinfo | None = None
    """The zone that times are shown in; `None` is the machine's own."""
    braille: bool = True
    """Whether the terminal's font has braille."""
    store: SessionStore = field(default_factory=SessionStore)
    view: SessionView = field(init=False)
    history: PollHistory = field(default_factory=PollHistory)
    trends: TrendBook = field(default_factory=TrendBook)
    marks: Marks = field(default_factory=Marks)
    columns: list[str] = field(default_factory=lambda: list(SHOWN))
    density: Density = Density.AUTO
    changed: dict[SessionKey, Session] = field(default_factory=dict)
    """Sessions that the last poll changed, as they were before it."""
    servers: list[ServerStatus] | None = None
    cannot_show: str = ""
    coverage: Coverage | None = None
    stream_history: dict[SessionKey, History | str] = field(default_factory=dict)
    """The history for the session that is looked at, or why there is none."""
    timeline: PollTimeline = field(default_factory=PollTimeline)
    waiting: HeldChanges = field(default_factory=HeldChanges)
    tally: Tally = field(default_factory=Tally)
    latency: Latency = field(default_factory=Latency)
    drift: SchemaDrift | None = None
    """Fields that the service's answers had and the documents do not."""
    skew_ms: int | None = None
    """How far the service's clock is ahead of this machine's."""
    tells_skew: bool = True
    """Whether the header says so."""
    why_failed: str = ""
    failures: int = 0
    _grown_since_minute: int = 0
    _service_now_ms: int | None = None
    _heard_at_ms: int | None = None
    _retry_at_ms: int | None = None
    _armed_until_ms: int | None = None
    _held_at_ms: int | None = None

    def __post_init__(self) -> None:
        self.view = SessionView(self.store)

    def heard(self, polled: SessionsPolled) -> list[Change]:
        """Takes in a poll that succeeded. While the table is held, its sessions wait."""
        self._heard_at_ms = self.clock.elapsed_ms()
        self._service_now_ms = polled.now_ms
        self._retry_at_ms = None
        self.failures, self.why_failed = 0, ""
        self.skew_ms = None if polled.now_ms is None else polled.now_ms - self.clock.now_ms()
        self.servers, self.cannot_show = polled.servers, polled.cannot_show
        self.drift = self.drift if polled.drift is None else polled.drift
        if self.held:
            self.waiting.add(polled.changed, polled.removed, reset=polled.reset)
            return []
        return self._take_in(polled.changed, polled.removed, reset=polled.reset)

    def _take_in(self, changed: list[Session], removed: list[SessionKey], *, reset: bool) -> list[Change]:
        is_first = not len(self.timeline)
        changes = self.store.apply(changed, removed, reset=reset)
        self.timeline.add(self.now_ms(), () if is_first else changes)
        self._show(changes)
        self.history.heard(self.now_ms(), changes)
        self.tally.heard(changes)
        return changes

    def _show(self, changes: list[Change]) -> None:
        self.view.update(changes)
        self.marks.forget(change.key for change in changes if change.after is None)
        self.view.at_time(self.now_ms())
        if self.view.column is SessionColumn.TREND and self.now_ms() // 60_000 != self._grown_since_minute:
            self.look_at_growth()
        self.changed = {change.key: change.before for change in changes if change.before and change.after}

    def look_at_growth(self) -> None:
        """Has the order by trend look at the last minutes as they are by now."""
        now_ms = self.now_ms()
        self._grown_since_minute = now_ms // 60_000
        polls = max(1, GROWTH_MINUTES * 60_000 // self.poll_interval_ms)
        figures: dict[SessionKey, int] = {}
        for session in self.store.live():
            figure = self.trends.oldest(session, GROWTH_MINUTES, now_ms)
            if figure is None:
                figure = self.history.oldest(session.key, polls)
            if figure is not None:
                figures[session.key] = figure
        self.view.grown_from(figures)

    # Holding the table, and going back in time

    @property
    def held(self) -> bool:
        """Whether the table stands still, paused or stepped back."""
        return self._held_at_ms is not None

    def hold(self) -> None:
        """Lets the table stand still."""
        if not self.held:
            self._held_at_ms = self.now_ms()

    def go_on(self) -> None:
        """Back to what is live, with all that waited."""
        self.step(len(self.timeline))
        self._held_at_ms = None
        changed, removed, reset = self.waiting.take()
        if changed or removed or reset:
            self._take_in(changed, removed, reset=reset)

    def step(self, polls: int) -> None:
        """Shows the table as it was some polls before (below zero) or after."""
        steps = self.timeline.step(polls)
        for changes in steps:
            gone = [change.key for change in changes if change.after is None]
            applied = self.store.apply([change.after for change in changes if change.after is not None], gone)
            self._show(applied)
        if steps and self.timeline.at_ms is not None:
            self._held_at_ms = self.timeline.at_ms
            self.view.at_time(self.now_ms())

    def jump(self, at_ms: int) -> None:
        """Shows the table as it was known at an instant, as far as is kept."""
        self.hold()
        self.step(self.timeline.polls_to(at_ms))

    def missed(self, failed: PollFailed) -> None:
        """Takes in a poll that failed: nothing that was known goes away."""
        self.failures += 1
        self.why_failed = failed.why
        self._retry_at_ms = self.clock.elapsed_ms() + failed.retry_in_ms
        self.history.missed()
        self.tally.missed()
        self.changed = {}

    def recall(self, memory: ViewMemory) -> None:
        """Arranges the table as it was left. What does not fit any more is passed over."""
        if memory.sorted_by in set(SessionColumn):
            self.view.sort(SessionColumn(memory.sorted_by), descending=memory.descending)
        self.columns = [name for name in memory.columns if name in SHOWN] or self.columns
        self.density = Density(memory.density) if memory.density in set(Density) else self.density
        self.view.group(memory.grouped)
        with suppress(FilterError):
            self.view.show(parse(memory.filter))

    def to_remember(self, filters: list[str]) -> ViewMemory:
        """How the table is left."""
        return ViewMemory(
            sorted_by=self.view.column.value,
            descending=self.view.descending,
            columns=self.columns,
            density=self.density.value,
            grouped=self.view.grouped,
            filter=self.view.filter.text,
            filters=filters,
        )

    @property
    def has_figures(self) -> bool:
        """Whether any poll has succeeded yet."""
        return self._heard_at_ms is not None

    def is_read_only(self) -> bool:
        """Whether deletes are taken away: by the profile or a flag, and not lifted by `arm`."""
        return self.read_only and self.armed_for_ms() <= 0

    def arm(self, length_ms: int) -> None:
        """Lifts read-only for a time."""
        self._armed_until_ms = self.clock.elapsed_ms() + length_ms

    def armed_for_ms(self) -> int:
        """How long read-only is still lifted; 0 or less where it is not."""
        return 0 if self._armed_until_ms is None else self._armed_until_ms - self.clock.elapsed_ms()

    def why_no_deletes(self) -> str:
        """Why nothing can be deleted at the moment; empty where it can."""
        if not self.freshness().allows_deletes:
            return "the figures are too old to decide on"
        if self.timeline.back:
            return "you look at the past; 0 goes back to live"
        if self.held:
            return "the table is paused; p goes on"
        return ""

    def now_ms(self) -> int:
        """The service's time now: by its own clock as last heard, and this one's since; of a held table, its time."""
        if self._held_at_ms is not None:
            return self._held_at_ms
        if self._service_now_ms is None or self._heard_at_ms is None:
            return self.clock.now_ms()
        return self._service_now_ms + self.clock.elapsed_ms() - self._heard_at_ms

    def freshness(self) -> Freshness:
        return freshness(
            elapsed_ms=self.clock.elapsed_ms(),
            polled_at_ms=self._heard_at_ms,
            interval_ms=self.poll_interval_ms,
            failures=self.failures,
            retry_at_ms=self._retry_at_ms,
        )

    def trend(self, session: Session, cells: int) -> list[Point]:
        """The last minutes of a live session by the service; where it tells nothing, what own polls saw."""
        points = self.trends.points(session, cells, self.now_ms())
        return points or self.history.points(session.key, cells, self.polls_per_point())

    def polls_per_point(self) -> int:
        """How many polls one cell of a trend stands for: about five seconds."""
        return max(1, round(5000 / self.poll_interval_ms))

    def owing(self) -> ServerStatus | None:
        """The server that owes most, if one owes more than the sync-up that is just due."""
        owing = [
            server
            for server in self.servers or ()
            if server.owed_ms > 3 * server.sync_interval_ms or server.state == "unreachable"
        ]
        return max(owing, key=lambda server: server.owed_ms, default=None)

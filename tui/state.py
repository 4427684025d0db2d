"""Everything the console knows at a moment, in one place. Only the app's message handlers change it."""

from dataclasses import dataclass, field
from datetime import tzinfo

from streamusage.answers import Coverage, History, ServerState
from streamusage.clock import Clock
from streamusage.usage import SessionKey, StreamId
from tui.messages import PollFailed, SessionsPolled
from tui.model.history import PollHistory
from tui.model.sessions import Change, Session, SessionStore
from tui.model.sparkline import Point
from tui.model.staleness import Freshness, freshness
from tui.model.trends import TrendBook
from tui.model.view import SessionView


@dataclass
class ConsoleState:
    """What was heard, and when. Widgets read it and never a client."""

    clock: Clock
    host: str
    profile_name: str
    poll_interval_ms: int
    read_only: bool = False
    tz: tzinfo | None = None
    """The zone that times are shown in; `None` is the machine's own."""
    braille: bool = True
    """Whether the terminal's font has braille."""
    store: SessionStore = field(default_factory=SessionStore)
    view: SessionView = field(init=False)
    history: PollHistory = field(default_factory=PollHistory)
    trends: TrendBook = field(default_factory=TrendBook)
    changed: dict[SessionKey, Session] = field(default_factory=dict)
    """Sessions that the last poll changed, as they were before it."""
    servers: list[ServerState] | None = None
    cannot_show: str = ""
    coverage: Coverage | None = None
    stream_history: dict[StreamId, History | str] = field(default_factory=dict)
    """The history of the stream that is looked at, or why there is none."""
    why_failed: str = ""
    failures: int = 0
    _service_now_ms: int | None = None
    _heard_at_ms: int | None = None
    _retry_at_ms: int | None = None

    def __post_init__(self) -> None:
        self.view = SessionView(self.store)

    def heard(self, polled: SessionsPolled) -> list[Change]:
        """Takes in a poll that succeeded."""
        self._heard_at_ms = self.clock.elapsed_ms()
        self._service_now_ms = polled.now_ms
        self._retry_at_ms = None
        self.failures, self.why_failed = 0, ""
        self.servers, self.cannot_show = polled.servers, polled.cannot_show
        changes = self.store.apply(polled.changed, polled.removed, reset=polled.reset)
        self.view.update(changes)
        self.view.at_time(self.now_ms())
        self.history.heard(self.now_ms(), changes)
        self.changed = {change.key: change.before for change in changes if change.before and change.after}
        return changes

    def missed(self, failed: PollFailed) -> None:
        """Takes in a poll that failed: nothing that was known goes away."""
        self.failures += 1
        self.why_failed = failed.why
        self._retry_at_ms = self.clock.elapsed_ms() + failed.retry_in_ms
        self.history.missed()
        self.changed = {}

    @property
    def has_figures(self) -> bool:
        """Whether any poll has succeeded yet."""
        return self._heard_at_ms is not None

    def now_ms(self) -> int:
        """The service's time now: by its own clock as last heard, and this one's since."""
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

    def owing(self) -> ServerState | None:
        """The server that owes most, if one owes more than the sync-up that is just due."""
        owing = [
            server
            for server in self.servers or ()
            if server.owed_ms > 3 * server.sync_interval_ms or server.state == "unreachable"
        ]
        return max(owing, key=lambda server: server.owed_ms, default=None)

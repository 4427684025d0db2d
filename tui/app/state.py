"""The state of the console, in one place. Only the app's message handlers change it."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import islice
from typing import TypeVar

from streamusage.api.alerts import AlertSummary
from streamusage.api.extension import Coverage, History, ServerStatus, ServiceClock, Trends
from streamusage.client.schema_drift import SchemaDrift
from streamusage.core.clock import Clock
from streamusage.core.usage import SessionKey
from tui.app.messages import PollFailed, SessionsPolled
from tui.config.settings import ConnectionSettings
from tui.config.view_memory import ViewMemory
from tui.model.audience import AudienceBook
from tui.model.failure_page import FailedRequest
from tui.model.latency import Latency
from tui.model.sessions.columns import COLUMNS, Density, sort_names
from tui.model.sessions.filter import IN_ONE_SERVICE, IN_PLAIN_SESSIONS, FilterError, parse
from tui.model.sessions.held_changes import HeldChanges
from tui.model.sessions.history import PollHistory
from tui.model.sessions.marks import Marks
from tui.model.sessions.packed_changes import PackedChanges
from tui.model.sessions.session_batch import SessionBatch
from tui.model.sessions.sparkline import Point
from tui.model.sessions.store import Change, Session, SessionStore, SessionTotals
from tui.model.sessions.tally import Tally
from tui.model.sessions.timeline import PollTimeline
from tui.model.sessions.trends import TrendBook
from tui.model.sessions.unrecorded import SessionsOfStreams, UnrecordedStreams
from tui.model.sessions.view import Heading, SessionView
from tui.model.staleness import Freshness, freshness
from tui.model.unread import unread_servers
from tui.model.unseen import UnseenServers

Steps = Generator[None, None, list[Change]]
"""Steps of applying a poll, and at last what changed."""

_STEP_CHANGES = 200
"""Sessions that change in one step: some milliseconds."""
_LARGE_FIRST_POLL = 2_000
"""A first poll of more sessions is applied at once, as columns."""
GROWTH_MINUTES = 10
"""Over how long the order by trend measures growth."""


@dataclass(eq=False, repr=False)
class ConsoleState:
    """What was polled, and when. Widgets read it and never a client."""

    clock: Clock
    host: str
    settings: ConnectionSettings
    poll_interval_ms: int = field(init=False)
    """The interval of the polls, which the user can change."""
    times_slower: int = 1
    """Factor on it while the terminal has lost the focus."""
    tz: tzinfo | None = field(init=False)
    """The zone in which times are shown; `None` is the machine's own."""
    braille: bool = True
    """Whether the terminal's font has braille."""
    unicode: bool = True
    """Whether the terminal displays more than ASCII."""
    store: SessionStore = field(default_factory=SessionStore)
    view: SessionView = field(init=False)
    history: PollHistory = field(default_factory=PollHistory)
    trends: TrendBook = field(default_factory=TrendBook)
    audience: AudienceBook = field(default_factory=AudienceBook)
    shows_audience: bool = True
    marks: Marks = field(default_factory=Marks)
    columns: list[str] = field(default_factory=lambda: list(COLUMNS))
    density: Density = Density.AUTO
    changed: dict[SessionKey, Session] = field(default_factory=dict)
    """Sessions that the last poll changed, as they were before it."""
    servers: list[ServerStatus] | None = None
    unseen: UnseenServers = field(default_factory=UnseenServers)
    unrecorded: UnrecordedStreams = field(default_factory=UnrecordedStreams)
    service_clock: ServiceClock | None = None
    """The service's own clock at the last poll."""
    alerts: AlertSummary | None = None
    """Alerts of the service that fired at the last poll; `None` where it evaluates no alert rules."""
    cannot_show: str = ""
    knows_live: bool = True
    """Whether it is known which sessions are on air."""
    coverage: Coverage | None = None
    opening: str = ""
    """The screen that is awaited for longer than a moment."""
    filter_before_prompt: str | None = None
    """The filter before the one that is being typed; `None` while none is."""
    stream_history: dict[SessionKey, History | str] = field(default_factory=dict)
    """The history for the session whose detail is open, or why there is none."""
    timeline: PollTimeline = field(default_factory=PollTimeline)
    waiting: HeldChanges = field(default_factory=HeldChanges)
    tally: Tally = field(default_factory=Tally)
    latency: Latency = field(default_factory=Latency)
    drift: SchemaDrift | None = None
    """Differences between the service's records and the documented ones."""
    skew_ms: int | None = None
    """How far the service's clock is ahead of this machine's."""
    shows_skew: bool = True
    """Whether the header shows it."""
    failure: str = ""
    """Why the last poll failed; empty if it succeeded."""
    failed_request: FailedRequest | None = None
    """What failed in the last poll."""
    failures: int = 0
    """Failed polls in a row."""
    has_new_trends: bool = False
    """Whether no poll was applied since the trends were fetched."""
    _grown_since_minute: int = 0
    _service_now_ms: int | None = None
    _polled_at_ms: int | None = None
    _retry_at_ms: int | None = None
    _is_given_up: bool = False
    """Whether no poll follows before the operator requests one."""
    _armed_until_ms: int | None = None
    _paused_at_ms: int | None = None
    _job: Steps | None = None
    """The poll that is being applied."""
    _applied: list[Change] = field(default_factory=list)
    """What the last poll changed."""

    def __post_init__(self) -> None:
        self.view = SessionView(self.store)
        self.poll_interval_ms = round(self.settings.poll_interval_s * 1000)
        self.tz = self.settings.tz

    def apply_poll(self, polled: SessionsPolled) -> list[Change]:
        """Apply a poll that succeeded. While the table is paused, its sessions wait. Returns what changed."""
        return _run(self.apply_steps(polled))

    def apply_steps(self, polled: SessionsPolled) -> Steps:
        """Apply a poll as `apply_poll` does, in steps. After each of them sessions and table are consistent."""
        self._finish_apply()
        self._job = job = self._apply_polled(polled)
        while self._job is job:
            try:
                next(job)
            except StopIteration as end:
                self._job, self._applied = None, end.value
            else:
                yield
        return self._applied

    def _finish_apply(self) -> None:
        """Run the steps that are left of a poll that is being applied."""
        job, self._job = self._job, None
        if job is not None:
            self._applied = _run(job)

    def _apply_polled(self, polled: SessionsPolled) -> Steps:
        polled_at_ms = self.clock.elapsed_ms()
        is_large = isinstance(polled.changed, SessionBatch) or len(polled.changed) > _LARGE_FIRST_POLL
        is_adopted = is_large and polled.reset and not len(self.store) and not self.is_paused
        if is_adopted:
            yield from self.store.adopt((yield from _as_batch(polled.changed)))
            self.view.begin_all()
            yield from self.view.steps()
        self.note_facts(polled, polled_at_ms)
        if is_adopted:
            self.timeline.add(self._polled_ms(), (), polled.service)
            self.history.begin(self.now_ms(), self.store.get)
            self.changed = {}
            yield from self._show()
            return []
        if self.is_paused:
            self.waiting.add(polled.changed, polled.removed, reset=polled.reset)
            return []
        return (yield from self._apply(polled.changed, polled.removed, reset=polled.reset, service=polled.service))

    def note_facts(self, polled: SessionsPolled, polled_at_ms: int) -> None:
        """Follow what a poll that succeeded brought beside its sessions."""
        self._polled_at_ms = polled_at_ms
        self._service_now_ms = polled.now_ms
        self._retry_at_ms, self._is_given_up = None, False
        self.failures, self.failure = 0, ""
        self.skew_ms = None if polled.now_ms is None else polled.now_ms - self.clock.now_ms()
        self.servers, self.cannot_show, self.knows_live = polled.servers, polled.cannot_show, polled.knows_live
        self.unseen.update(polled.servers or ())
        self.service_clock, self.alerts = polled.clock, polled.alerts
        self.drift = self.drift if polled.drift is None else polled.drift

    def _apply(
        self, changed: Sequence[Session], removed: Sequence[SessionKey], *, reset: bool, service: str = ""
    ) -> Steps:
        is_first = not len(self.timeline)
        if reset and len(self.store):
            kept = changed if isinstance(changed, SessionBatch) else {session.key for session in changed}
            removed = []
            for keys in self.store.keys_without(kept):
                removed += keys
                yield
        changes: list[Change] = []
        packed = PackedChanges()
        self.changed = {}
        sessions = iter(changed)
        for first in range(0, len(removed), _STEP_CHANGES):
            self._apply_some([], removed[first : first + _STEP_CHANGES], changes, packed)
            if first + _STEP_CHANGES < len(removed):
                yield
        while some := list(islice(sessions, _STEP_CHANGES)):
            self._apply_some(some, [], changes, packed)
            if len(some) == _STEP_CHANGES:
                yield
        self.timeline.add(self._polled_ms(), () if is_first else packed, service)
        yield from self._show()  # before the history has this poll: a new session has no growth yet
        for first in range(0, len(changes), _STEP_CHANGES):
            self.history.add_changes(changes[first : first + _STEP_CHANGES])
            if first + _STEP_CHANGES < len(changes):
                yield
        self.history.end_poll(self.now_ms())
        yield from self._find_unrecorded(service)
        return changes

    def _find_unrecorded(self, service: str) -> Iterator[None]:
        """Search the streams on air that have no record, after the first poll that is newer than the trends."""
        part = self.parts.get(service, self)
        if part.has_new_trends and part.servers is not None:
            part.has_new_trends = False
            unlisted = part.trends.streams()
            for streams in self.store.live_streams(service):
                unlisted -= streams
                yield
            yield from part.unrecorded.find(unlisted, part.trends, self.sessions_of(service))

    def sessions_of(self, service: str) -> SessionsOfStreams:
        """Return the sessions by stream; those of a service where there are several."""
        return self.store

    def _apply_some(
        self, changed: Sequence[Session], removed: Sequence[SessionKey], changes: list[Change], packed: PackedChanges
    ) -> None:
        some = self.store.apply(changed, removed)
        self._move(some)
        if self.servers is not None:
            self.unrecorded.update(some, self.store, self.trends)
        self.tally.add_changes(some)
        changes += some
        packed.extend(some)

    def _move(self, changes: Sequence[Change]) -> None:
        """Follow changes of the store in the table."""
        self.view.update(changes)
        self.marks.forget(change.key for change in changes if change.after is None)
        self.changed |= {change.key: change.before for change in changes if change.before and change.after}

    def _show(self) -> Iterator[None]:
        """Follow the time in the table."""
        self.view.begin_time(self.now_ms())
        yield from self.view.steps()
        if self.view.sorted_by_growth and self.now_ms() // 60_000 != self._grown_since_minute:
            yield from self.growth_steps()

    def update_growth(self) -> None:
        """Compute again by how much each session grew over the last minutes, for the order by trend."""
        _run(self.growth_steps())

    def growth_steps(self) -> Iterator[None]:
        """Compute the growth as `update_growth` does, in steps."""
        now_ms = self.now_ms()
        self._grown_since_minute = now_ms // 60_000
        polls = max(1, GROWTH_MINUTES * 60_000 // self.poll_interval_ms)
        figures: dict[SessionKey, int] = {}
        for sessions in self.store.live_parts():
            for session in sessions:
                figure = self.trends.oldest(session, GROWTH_MINUTES, now_ms)
                if figure is None:
                    figure = self.history.oldest(session.key, polls)
                if figure is not None:
                    figures[session.key] = figure
            yield
        self.view.begin_growth(figures)
        yield from self.view.steps()

    # Pausing the table, and stepping back in time

    @property
    def is_paused(self) -> bool:
        """Whether the table does not follow the polls: paused, or stepped back."""
        return self._paused_at_ms is not None

    def pause(self) -> None:
        """Stop the table from following the polls."""
        self._finish_apply()
        if not self.is_paused:
            self._paused_at_ms = self.now_ms()

    def resume(self) -> None:
        """Return to the newest poll and apply the changes that waited."""
        self._finish_apply()
        self.step(len(self.timeline))
        self._paused_at_ms = None
        changed, removed, reset = self.waiting.take()
        if changed or removed or reset:
            _run(self._apply(changed, removed, reset=reset))

    def step(self, polls: int) -> None:
        """Show the table as it was some polls before (below zero) or after."""
        self._finish_apply()
        steps = self.timeline.step(polls)
        for changes in steps:
            gone = [change.key for change in changes if change.after is None]
            applied = self.store.apply([change.after for change in changes if change.after is not None], gone)
            self.changed = {}
            self._move(applied)
            _run(self._show())
        if steps and self.timeline.at_ms is not None:
            self._paused_at_ms = self.timeline.at_ms
            self.view.at_time(self.now_ms())

    def jump(self, at_ms: int) -> None:
        """Show the table as it was known at an instant, as far back as polls are kept."""
        self.pause()
        self.step(self.timeline.polls_to(at_ms))

    def record_failure(self, failed: PollFailed) -> None:
        """Record a poll that failed. Nothing that was known is dropped."""
        self.failures += 1
        self.failure, self.failed_request = failed.why, failed.request
        self._is_given_up = failed.retry_in_ms is None
        self._retry_at_ms = None if failed.retry_in_ms is None else self.clock.elapsed_ms() + failed.retry_in_ms
        self.history.add_failure()
        self.tally.add_failure()
        self.changed = {}

    def restore_view(self, memory: ViewMemory) -> None:
        """Arrange the table as it was left. Values that are no longer valid are skipped."""
        if memory.sorted_by in sort_names():
            self.view.sort(memory.sorted_by, descending=memory.descending)
        self.columns = [name for name in memory.columns if name in COLUMNS] or self.columns
        self.density = Density(memory.density) if memory.density in set(Density) else self.density
        self.view.group(memory.grouped)
        self.shows_audience = memory.audience
        with suppress(FilterError):
            self.view.show(parse(memory.filter, self.unknown_filter_fields))

    @property
    def unknown_filter_fields(self) -> Mapping[str, str]:
        """Return the fields of filters that no session here has, with the reason."""
        of_table = {} if self.settings.services else IN_ONE_SERVICE
        is_plain = self.has_figures and self.servers is None
        return {**of_table, **IN_PLAIN_SESSIONS} if is_plain else of_table

    def view_memory(self, filters: list[str]) -> ViewMemory:
        """Return how the table is arranged, to restore it later."""
        return ViewMemory(
            sorted_by=self.view.column,
            descending=self.view.descending,
            columns=self.columns,
            density=self.density.value,
            grouped=self.view.grouped,
            audience=self.shows_audience,
            filter=self.view.filter.text if self.filter_before_prompt is None else self.filter_before_prompt,
            filters=filters,
        )

    @property
    def has_figures(self) -> bool:
        """Whether any poll has succeeded."""
        return self._polled_at_ms is not None

    def is_read_only(self) -> bool:
        """Whether deletes are disabled: by the profile or a flag, and not lifted by `arm`."""
        return self.settings.read_only and self.armed_for_ms() <= 0

    @property
    def parts(self) -> "Mapping[str, ConsoleState]":
        """What is known of each service, by profile, where there are several; else nothing."""
        return {}

    @property
    def knows_days(self) -> bool:
        """Whether there are daily statistics: a plain Stream Manager has none."""
        return not self.cannot_show

    def part_of(self, session: Session) -> "ConsoleState":
        """Return what is known of the service of a session."""
        return self

    def arm(self, length_ms: int) -> None:
        """Lift read-only for a time."""
        self._armed_until_ms = self.clock.elapsed_ms() + length_ms

    def armed_for_ms(self) -> int:
        """Return how long read-only remains lifted; 0 or less where it is not."""
        return 0 if self._armed_until_ms is None else self._armed_until_ms - self.clock.elapsed_ms()

    def owed_ms(self, server: str) -> int:
        """Return how much time a server owes, by the newest poll that succeeded; 0 for an unknown server."""
        return next((known.owed_ms for known in self.servers or () if known.server == server), 0)

    def deletes_disabled_reason(self) -> str:
        """Return why nothing can be deleted at the moment; empty where it can."""
        if not self.freshness().allows_deletes:
            return "the figures are too old to decide on"
        return self.timing_forbids_deletes()

    def timing_forbids_deletes(self) -> str:
        """Return why the table's time forbids deletes; empty where it is the present."""
        if self.timeline.back:
            return "the table shows the past; 0 returns to live"
        if self.is_paused:
            return "the table is paused; p resumes"
        return ""

    def now_ms(self) -> int:
        """Return the service's time: its clock at the last poll plus the time since; while paused, the table's time."""
        if self._paused_at_ms is not None:
            return self._paused_at_ms
        if self._service_now_ms is None or self._polled_at_ms is None:
            return self.clock.now_ms()
        return self._service_now_ms + self.clock.elapsed_ms() - self._polled_at_ms

    def _polled_ms(self) -> int:
        """Return the service's time at the last poll, however long its sessions took to apply."""
        return self.now_ms() if self._service_now_ms is None else self._service_now_ms

    def freshness(self) -> Freshness:
        """Return how old the figures are."""
        return freshness(
            elapsed_ms=self.clock.elapsed_ms(),
            polled_at_ms=self._polled_at_ms,
            interval_ms=self.poll_interval_ms * self.times_slower,
            failures=self.failures,
            retry_at_ms=self._retry_at_ms,
            is_given_up=self._is_given_up,
        )

    def trend(self, session: Session, cells: int) -> list[Point]:
        """Return the last minutes of a session on air, from the service; where it has none, from own polls."""
        counts_unseen = self.part_of(session).unseen.outdated > 0
        points = self.trends.points(session, cells, self.now_ms(), counts_unseen=counts_unseen)
        return points or self.history.points(session.key, cells, self.polls_per_point())

    def polls_per_point(self) -> int:
        """Return how many polls one cell of a trend covers: about five seconds."""
        return max(1, round(5000 / self.poll_interval_ms))

    def doubts_clock(self) -> bool:
        """Return whether the service doubts its clock: then it closes, discards and exports nothing."""
        return self.service_clock is not None and self.service_clock.state == "doubtful"

    def longest_unread_server(self) -> ServerStatus | None:
        """Return the server that its agent cannot read for the longest time, if there is one."""
        return next(iter(unread_servers(self.servers or ())), None)

    def apply_trends(self, trends: Trends) -> None:
        """Follow the trends that the service returned, and the audience of its estate."""
        self.trends.replace(trends)
        self.has_new_trends = True
        if trends.audience is not None:
            self.audience.apply(trends.audience, trends.from_ms, trends.now)
        self.unrecorded.keep(self.trends)

    def record_audience(self) -> None:
        """Record how many watch the whole estate, after a poll. While the table is paused, its sessions are older."""
        if not self.is_paused:
            watching = self._without_unseen(self.store.totals(self.unseen.services)).watching
            self.audience.add_poll(self.now_ms(), watching, leaves_out_server=bool(self.unseen))

    @property
    def leaves_out_server(self) -> bool:
        """Whether sums leave out a server that is not seen, or was not at the time that the table shows."""
        if self.is_paused and not self.unseen.services:
            return self.store.columns.leaves_out_server()
        return bool(self.unseen)

    def totals(self) -> SessionTotals:
        """Return the counts of the sessions shown. While a server is not seen, its subscribers are left out."""
        unseen = self.unseen.services
        self.view.leave_out(unseen)
        return self._without_unseen(self.view.totals() if self.view.filter else self.store.totals(unseen))

    def watching_below(self, heading: Heading) -> int | None:
        """Return how many watch the sessions below a heading. Subscribers of servers that are not seen are left out."""
        return max(0, heading.watching - self.unseen.outdated) if self.knows_live else None

    def _without_unseen(self, totals: SessionTotals) -> SessionTotals:
        if not self.knows_live or totals.watching is None:
            return SessionTotals(None, totals.sessions, None)
        return totals._replace(watching=max(0, totals.watching - self.unseen.outdated))


Result = TypeVar("Result")


def _as_batch(sessions: Sequence[Session]) -> Generator[None, None, SessionBatch]:
    if isinstance(sessions, SessionBatch):
        return sessions
    batch = SessionBatch()
    for number, session in enumerate(sessions):
        batch.put(session)
        if number % _STEP_CHANGES == 0:
            yield
    return batch


def _run(steps: Generator[None, None, Result] | Iterator[None]) -> Result:
    """Run all steps and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

"""The poll loop. At most one poll is under way; a refresh requested meanwhile is remembered, not doubled.

Against our own service a poll reads what changed; `plain_lists.py` polls a plain Stream Manager. A failed poll is
posted as such and never becomes "no sessions".
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Unpack

import msgspec
from msgspec.structs import replace
from textual.message import Message

from streamusage.api.extension import ServerStatus
from streamusage.client.changes import read_changes, read_pages
from streamusage.client.errors import (
    ExtensionMissingError,
    InvalidAnswerError,
    NotFoundError,
    RefusedError,
    UnreachableError,
    UsageApiError,
    cause_first,
)
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import Clock
from streamusage.core.text import escape_unprintable
from streamusage.core.usage import SessionKey, StreamId
from tui.app.messages import PollFailed, SessionsPolled, TrendsPolled
from tui.app.ports import SubscriptionChanges
from tui.model.failure_page import FailedRequest, FailureKind
from tui.model.latency import Split
from tui.model.sessions.live_list import UNREADABLE
from tui.model.sessions.session import Session, from_record
from tui.model.sessions.session_batch import SMALL_LIST, SessionBatch
from tui.model.sessions.trends import KEPT_STEPS, STEP_MS

if TYPE_CHECKING:
    from tui.app.plain_lists import ListChanges, PlainLists
    from tui.model.sessions.chart import ChartRequest

LONGEST_WAIT_SECONDS = 30.0
SHARE_OF_TIME = 4
"""A slow poll is not repeated before this multiple of its duration has passed."""
AHEAD_MS = 3_600_000
"""How far beyond now requests reach, so that a clock that differs hides nothing."""
_STEP_RECORDS = 300
"""Records that are processed before the event loop gets its turn."""

NO_EXTENSION = "plain Stream Manager: no gaps, no servers; trends from own polls"
NO_LIVE_LIST = UNREADABLE + " ({problem}): a session appears once it has ended"
OLD_LIVE_LIST = UNREADABLE + " ({problem}): who is on air is as of the reading before"
NO_HISTORY = "a plain Stream Manager keeps no history and no figures per server"


class Subscriptions(msgspec.Struct, frozen=True):
    """What is polled beside the sessions, because a view shows it."""

    coverage_from_ms: int | None = None
    """Start of the coverage for the gap view; `None` where it is not open."""
    carriers_from_ms: int | None = None
    """Start of the time for which it needs to know which server carried which stream."""
    history_of: "ChartRequest | None" = None


NOTHING_MORE = Subscriptions()


class Poller:
    """Polls one service and posts what it received. `subscribe` and `refresh` may be called at any time."""

    def __init__(
        self, client: UsageClient, post: Callable[[Message], object], *, interval_seconds: float, clock: Clock
    ) -> None:
        self._client = client
        self._post = post
        self._clock = clock
        self.interval_seconds = interval_seconds
        self.polls = 0
        """Completed polls, whether they succeeded or not."""
        self.no_service_reason = ""
        self.knowledge = None
        self.times_slower = 1
        """Factor on the interval while the terminal has lost the focus."""
        self._refresh_requested = asyncio.Event()
        self._start_over_requested = asyncio.Event()
        self._is_held = False
        """Whether only the operator polls before the wait is over: the service refused, or wants to be left alone."""
        self._under_way = False
        self.subscriptions = Subscriptions()
        self._cursor: str | None = None
        self._lists: PlainLists | None = None
        """What is known of the lists of a plain Stream Manager; `None` before they are polled."""
        self._failures = 0
        self._trends_of: tuple[object, ...] = ()
        """What the service's trends depended on when they were fetched last."""
        self._has_trends = True

    def refresh(self) -> None:
        """Poll as soon as the poll under way, if any, is done, and the service does not want to be left alone."""
        if not self._is_held:
            self._refresh_requested.set()

    @property
    def is_idle(self) -> bool:
        """Whether no poll is under way and none is requested."""
        return not self._under_way and not self._refresh_requested.is_set()

    def start_over(self) -> None:
        """Poll now, also where the service wants to be left alone, and look again for our extension."""
        if self._client.has_extension is False:
            self._client.has_extension = None
        self._start_over_requested.set()
        self._refresh_requested.set()

    def subscribe(
        self,
        *,
        at_once: bool = True,
        coverage_from_of: Mapping[str, int] | None = None,
        **changes: Unpack[SubscriptionChanges],
    ) -> None:
        """Change what is polled beside the sessions, and poll now unless `at_once` is false or nothing changed."""
        subscriptions = replace(self.subscriptions, **changes)
        if subscriptions != self.subscriptions:
            self.subscriptions = subscriptions
            if at_once:
                self.refresh()

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            self._under_way = True
            self._refresh_requested.clear()
            self._start_over_requested.clear()
            began_ms = self._clock.elapsed_ms()
            wait = await self._poll_once()
            self._under_way = False
            self.polls += 1
            took = (self._clock.elapsed_ms() - began_ms) / 1000
            requested = self._start_over_requested if self._is_held else self._refresh_requested
            if wait is not None:
                wait = max(wait, min(LONGEST_WAIT_SECONDS, SHARE_OF_TIME * took))
            try:
                async with asyncio.timeout(wait):
                    await requested.wait()
            except TimeoutError:
                pass

    async def _poll_once(self) -> float | None:
        """Poll once. Returns the seconds until the next poll; `None` where only the operator begins it."""
        self._is_held = False
        try:
            await self._poll()
        except UsageApiError as error:
            self._failures += 1
            retry_after = error.retry_after_seconds or 0.0
            wait = None if is_token_refused(error) else max(self._back_off(), retry_after)
            self._is_held = wait is None or retry_after > 0
            retry_in_ms = None if wait is None else round(wait * 1000)
            self._post(PollFailed(cause_first(error), isinstance(error, RefusedError), retry_in_ms, to_request(error)))
            return wait
        self._failures = 0
        return self.interval_seconds * self.times_slower

    def _back_off(self) -> float:
        longest = max(LONGEST_WAIT_SECONDS, self.interval_seconds)
        wait = min(longest, max(1.0, self.interval_seconds) * 2.0 ** min(10, self._failures - 1))
        return wait * random.uniform(0.9, 1.1)  # so that many consoles do not retry in step

    async def _poll(self) -> None:
        if self._client.has_extension is not False:
            try:
                await self._poll_changes()
            except ExtensionMissingError:
                self._cursor = None
            else:
                await self._poll_subscriptions()
                return
        await self._poll_lists()
        if self.subscriptions.history_of is not None:
            from tui.app.messages.views import HistoryMissing

            self._post(HistoryMissing(self.subscriptions.history_of.key, NO_HISTORY))

    def _split(self) -> Split | None:
        timing = self._client.records_timing
        if timing is None:
            return None
        return Split(
            timing.connect_ms, timing.first_byte_ms, timing.body_ms, timing.decode_ms, None, None, timing.answer_bytes
        )

    # Our own service

    async def _poll_changes(self) -> None:
        changed, removed, reset, cursor = await self._read_changes()
        servers = await self._client.servers()
        # Only now, so that changes lost to a failure in between are fetched again.
        self._cursor = cursor
        self._lists = None
        self._post(
            SessionsPolled(
                changed=changed,
                removed=removed,
                reset=reset,
                now_ms=servers.now,
                servers=servers.servers,
                cannot_show="",
                drift=self._client.records_drift,
                split=self._split(),
                clock=servers.clock,
                alerts=servers.alerts,
            )
        )
        await self._poll_trends(servers.now, servers.servers)

    async def _read_changes(self) -> tuple[Sequence[Session], list[SessionKey], bool, str | None]:
        """Return changed and removed sessions, whether these are all, and the cursor after them."""
        if self._cursor is not None:
            changes = await read_changes(self._client, self._cursor, from_record)
            return changes.changed, changes.removed, changes.reset, changes.cursor
        batch, cursor = SessionBatch(), self._cursor
        async for page in read_pages(self._client, cursor):
            if page.reset:
                batch = SessionBatch()
            for key in page.deleted:
                batch.discard(key)
            for first in range(0, len(page.records), _STEP_RECORDS):
                records = page.records[first : first + _STEP_RECORDS]
                batch.extend_records(records, [(record.scope, record.name, record.start_time) for record in records])
                await self._client.pause()
            cursor = page.cursor
        return list(batch) if len(batch) <= SMALL_LIST else batch, [], True, cursor

    async def _poll_trends(self, now_ms: int, servers: list[ServerStatus]) -> None:
        """Fetch the trends when a minute is over, or a server began or ceased to owe."""
        depends_on = (now_ms // STEP_MS, *((server.server, server.owed_ms > 0) for server in servers))
        if depends_on == self._trends_of or not self._has_trends:
            return
        to_ms = (now_ms // STEP_MS + 1) * STEP_MS
        try:
            trends = await self._client.trends(to_ms - KEPT_STEPS * STEP_MS, to_ms, STEP_MS)
        except (NotFoundError, InvalidAnswerError, RefusedError):
            self._has_trends = False  # an older service of ours: trends come from own polls
            return
        self._trends_of = depends_on
        self._post(TrendsPolled(trends))

    async def _poll_subscriptions(self) -> None:
        subscriptions = self.subscriptions
        if subscriptions == NOTHING_MORE:
            return
        from tui.app.messages.views import CoveragePolled, HistoryMissing, HistoryPolled

        now_ms = self._client.service_time.now_ms if self._client.service_time else self._clock.now_ms()
        if subscriptions.coverage_from_ms is not None:
            coverage = await self._client.coverage(subscriptions.coverage_from_ms, now_ms + AHEAD_MS)
            carriers = None
            if subscriptions.carriers_from_ms is not None:
                carriers = await self._client.carriers(subscriptions.carriers_from_ms, now_ms + AHEAD_MS)
            self._post(CoveragePolled(coverage, carriers))
        if subscriptions.history_of is not None:
            chart = subscriptions.history_of
            stream = StreamId(chart.key.scope, chart.key.name)
            to_ms = now_ms + chart.step_ms if chart.to_ms is None else chart.to_ms
            try:
                history = await self._client.history(stream, chart.from_ms, to_ms, chart.step_ms)
            except (NotFoundError, RefusedError, InvalidAnswerError, ValueError) as error:
                self._post(HistoryMissing(chart.key, cause_first(error)))
            else:
                self._post(HistoryPolled(chart.key, history))

    # A plain Stream Manager

    async def _poll_lists(self) -> None:
        from tui.app.plain_lists import PlainLists

        if self._lists is None:
            self._lists = PlainLists(self._client)
        try:
            lists = await self._lists.poll()
        except UsageApiError:
            if self._lists.is_first:  # who refused the extension refuses everything: a gateway, perhaps
                self._client.has_extension = None
            raise
        service_time = self._client.service_time
        self._post(
            SessionsPolled(
                changed=lists.changed,
                removed=lists.removed,
                reset=lists.reset,
                now_ms=service_time.now_ms if service_time else None,
                servers=None,
                cannot_show=_describe_lists(lists),
                knows_live=lists.live_list_is_readable,
                drift=self._client.records_drift,
                split=self._split(),
            )
        )


def is_token_refused(error: UsageApiError) -> bool:
    """Return whether the service refused the token: the same request will be refused again."""
    return isinstance(error, RefusedError) and (error.status in (401, 403) or "token" in error.cause.lower())


def to_request(error: UsageApiError) -> FailedRequest:
    """Return a failure as a value that a view can explain."""
    status = error.status
    if is_token_refused(error):
        kind = FailureKind.TOKEN
    elif isinstance(error, RefusedError):
        kind = FailureKind.REFUSED
    elif "proxy" in error.cause:
        kind = FailureKind.PROXY
    elif isinstance(error, UnreachableError):
        is_busy = status == 429 or (status == 503 and error.retry_after_seconds is not None)
        is_cut = "within the reply" in error.cause
        without_status = FailureKind.UNREADABLE if is_cut else FailureKind.UNREACHABLE
        kind = FailureKind.BUSY if is_busy else without_status if status is None else FailureKind.TROUBLE
    else:
        kind = FailureKind.UNREADABLE if status is None else FailureKind.OTHER_SERVICE
    return FailedRequest(kind, status, error.action, error.cause)


def _describe_lists(lists: "ListChanges") -> str:
    """Return what the lists of a plain Stream Manager do not show."""
    if not lists.live_list_problem:
        return NO_EXTENSION
    text = OLD_LIVE_LIST if lists.live_list_is_readable else NO_LIVE_LIST
    return escape_unprintable(text.format(problem=lists.live_list_problem))

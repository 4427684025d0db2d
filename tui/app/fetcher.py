"""Fetches data beside the polls: a day, a month, a day's servers, a gap's details. Answers are posted as messages.

A request is not repeated while its answer is outstanding, however slow the service is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import date
from typing import TYPE_CHECKING, Any

from textual.message import Message

from streamusage.api.alerts import AlertList, Silence
from streamusage.api.extension import CoverageSpan
from streamusage.client.errors import ExtensionMissingError, RefusedError, UsageApiError, cause_first
from streamusage.client.usage_client import UsageClient
from tui.app.gap_details import fetch_gap_details
from tui.app.messages.views import AlertsPolled, DayPolled, DayRowsPolled, GapDetailsFetched, GroupsPolled, MonthPolled
from tui.app.ports import NoServiceError
from tui.app.state import ConsoleState
from tui.model.daily.day_shares import accounting_zone
from tui.model.daily.groups import GroupRequest, GroupRows, rows_of_groups
from tui.model.daily.months import DayRows, Month, last_of, month_of, rows_of
from tui.model.gaps.gap_timeline import GapFigures

if TYPE_CHECKING:
    from tui.recording.knowledge import Knowledge


_GROUPS = "groups"


class _Outstanding:
    """A request whose answer is outstanding."""

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        """`None` before it runs."""
        self.is_abandoned = False


class Fetcher:
    """The requests of one console.

    `client` is `None` where there is no service: what `knowledge` has is posted then, else `no_service_reason`. `post`
    receives the answers; `start` runs a coroutine as a worker.
    """

    def __init__(
        self,
        client: UsageClient | None,
        state: ConsoleState,
        *,
        post: Callable[[Message], object],
        start: Callable[[Coroutine[Any, Any, None]], object],
        no_service_reason: str = "",
        knowledge: "Knowledge | None" = None,
    ) -> None:
        self._client = client
        self._state = state
        self._post = post
        self._start = start
        self._no_service_reason = no_service_reason
        self._knowledge = knowledge
        self._outstanding: dict[tuple[object, ...], _Outstanding] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is outstanding."""
        return bool(self._outstanding)

    def fetch_day(self, server: str, day: date) -> None:
        """Fetch one server's day."""
        self._request(("day", server, day), lambda: self._fetch_day(server, day))

    def fetch_month(self, first: date) -> None:
        """Fetch the daily statistics of the month that begins on `first`."""
        self._request(("month", first), lambda: self._fetch_month(first))

    def fetch_day_rows(self, day: date) -> None:
        """Fetch the roles and servers of a day."""
        self._request(("day rows", day), lambda: self._fetch_day_rows(day))

    def fetch_groups(self, request: GroupRequest) -> None:
        """Fetch sums by stream, scope or customer."""
        self._request((_GROUPS, request), lambda: self._fetch_groups(request))

    def abandon_groups(self) -> None:
        """Abandon all requests for sums by stream, scope or customer: their answers do not arrive."""
        self._abandon(_GROUPS)

    def fetch_alerts(self) -> None:
        """Fetch the alerts of the service, and the silences in force."""
        self._request(("alerts",), self._fetch_alerts)

    def fetch_gap(self, row: str, span: CoverageSpan, *, of_stream: bool) -> None:
        """Fetch the details of a gap of a server, or of a stream."""
        self._request(("gap", row, span.from_ms, span.state), lambda: self._fetch_gap(row, span, of_stream))

    def _request(self, key: tuple[object, ...], fetch: Callable[[], Awaitable[Message]]) -> None:
        if self._knowledge is not None and (known := self._knowledge.answer(key, self._zone())) is not None:
            self._post(known)
            return

        outstanding = _Outstanding()

        async def fetch_and_post() -> None:
            try:
                if not outstanding.is_abandoned:
                    outstanding.task = asyncio.current_task()
                    self._post(await fetch())
            finally:
                if self._outstanding.get(key) is outstanding:
                    del self._outstanding[key]

        if key not in self._outstanding:
            self._outstanding[key] = outstanding
            self._start(fetch_and_post())

    def _abandon(self, kind: str) -> None:
        for key in [key for key in self._outstanding if key[0] == kind]:
            outstanding = self._outstanding.pop(key)
            outstanding.is_abandoned = True
            if outstanding.task is not None:
                outstanding.task.cancel()

    @property
    def client(self) -> UsageClient:
        """The client. Raises `NoServiceError` where a recording is played."""
        if self._client is None:
            raise NoServiceError(self._no_service_reason)
        return self._client

    def _zone(self) -> str:
        return accounting_zone(self._state.tz).key

    async def _fetch_day(self, server: str, day: date) -> DayPolled:
        try:
            days = (await self.client.daily(day, day, self._zone(), server=server)).days
        except (UsageApiError, NoServiceError):
            days = []
        return DayPolled(server, day, days[0] if days else None)

    async def _fetch_month(self, first: date) -> MonthPolled:
        month: Month | str
        last, tz = last_of(first), self._zone()
        try:
            client = self.client
            by_day = await client.daily_sums(first, last, tz, by="day", group="all")
            month = month_of(first, by_day, await client.daily_sums(first, last, tz, by="month", group="all"))
        except (UsageApiError, NoServiceError) as error:
            month = cause_first(error)
        return MonthPolled(first, month)

    async def _fetch_day_rows(self, day: date) -> DayRowsPolled:
        rows: DayRows | str
        tz = self._zone()
        try:
            client = self.client
            roles = (await client.daily_sums(day, day, tz, by="day", group="role")).sums
            rows = rows_of(day, roles, (await client.daily(day, day, tz)).days)
        except (UsageApiError, NoServiceError) as error:
            rows = cause_first(error)
        return DayRowsPolled(day, rows)

    async def _fetch_groups(self, request: GroupRequest) -> GroupsPolled:
        rows: GroupRows | str
        days, tz = (request.first, request.last), self._zone()
        try:
            client = self.client
            sums = (await client.daily_sums(*days, tz, by=request.by, group=request.group)).sums
            whole = (await client.daily_sums(*days, tz, by=request.by, group="all")).sums
            rows = await asyncio.to_thread(rows_of_groups, request, sums, whole)
        except (UsageApiError, NoServiceError) as error:
            rows = _why_no_groups(error, request)
        return GroupsPolled(request, rows)

    async def _fetch_alerts(self) -> AlertsPolled:
        alerts: AlertList | str
        silences: list[Silence] = []
        try:
            alerts = await self.client.alerts.list()
            if alerts.is_configured:
                silences = (await self.client.alerts.silences()).silences
        except (UsageApiError, NoServiceError) as error:
            alerts = _why_no_alerts(error)
        return AlertsPolled(alerts, silences)

    async def _fetch_gap(self, row: str, span: CoverageSpan, of_stream: bool) -> GapDetailsFetched:
        figures: GapFigures | str
        try:
            figures = await fetch_gap_details(self.client, row, span, self._state.now_ms(), of_stream=of_stream)
        except (UsageApiError, NoServiceError) as error:
            figures = cause_first(error)
        return GapDetailsFetched(row, span.from_ms, figures)


def _why_no_alerts(error: UsageApiError | NoServiceError) -> str:
    """Return why alerts could not be fetched. A service of an earlier version does not know their path."""
    if isinstance(error, ExtensionMissingError) or (isinstance(error, RefusedError) and error.status == 404):
        return f"{error.host} has no alerts: it is of an earlier version, or a plain Stream Manager"
    return cause_first(error)


def _why_no_groups(error: UsageApiError | NoServiceError, request: GroupRequest) -> str:
    """Return why sums by a group could not be fetched. A service that does not know the group refuses it."""
    is_unknown = isinstance(error, ExtensionMissingError) or (isinstance(error, RefusedError) and error.status == 400)
    if is_unknown and isinstance(error, UsageApiError):
        return f"{error.host} has no daily statistics by {request.group}: its version is older"
    return cause_first(error)

"""Fetches data beside the polls: a day, a month, a day's servers, a gap's details. Answers are posted as messages.

A request is not repeated while its answer is outstanding, however slow the service is.
"""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import date
from typing import TYPE_CHECKING, Any

from textual.message import Message

from streamusage.api.extension import CoverageSpan
from streamusage.client.errors import UsageApiError, cause_first
from streamusage.client.usage_client import UsageClient
from tui.app.gap_details import fetch_gap_details
from tui.app.messages import DayPolled, DayRowsPolled, GapDetailsFetched, MonthPolled
from tui.app.ports import NoServiceError
from tui.app.state import ConsoleState
from tui.model.daily.day_shares import accounting_zone
from tui.model.daily.months import DayRows, Month, last_of, month_of, rows_of
from tui.model.gaps.gap_timeline import GapFigures

if TYPE_CHECKING:
    from tui.recording.knowledge import Knowledge


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
        self._outstanding: set[tuple[object, ...]] = set()

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

    def fetch_gap(self, row: str, span: CoverageSpan, *, of_stream: bool) -> None:
        """Fetch the details of a gap of a server, or of a stream."""
        self._request(("gap", row, span.from_ms, span.state), lambda: self._fetch_gap(row, span, of_stream))

    def _request(self, key: tuple[object, ...], fetch: Callable[[], Awaitable[Message]]) -> None:
        if self._knowledge is not None and (known := self._knowledge.answer(key, self._zone())) is not None:
            self._post(known)
            return

        async def fetch_and_post() -> None:
            try:
                self._post(await fetch())
            finally:
                self._outstanding.discard(key)

        if key not in self._outstanding:
            self._outstanding.add(key)
            self._start(fetch_and_post())

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

    async def _fetch_gap(self, row: str, span: CoverageSpan, of_stream: bool) -> GapDetailsFetched:
        figures: GapFigures | str
        try:
            figures = await fetch_gap_details(self.client, row, span, self._state.now_ms(), of_stream=of_stream)
        except (UsageApiError, NoServiceError) as error:
            figures = cause_first(error)
        return GapDetailsFetched(row, span.from_ms, figures)

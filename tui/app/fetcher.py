"""What a view reads beside the polls: a day, a month, a day's servers, an opened gap. Answers come as messages.

A question is not asked again while its answer is awaited, however slow the service is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import TYPE_CHECKING

from textual.message import Message

from streamusage.api.extension import CoverageSpan
from streamusage.client.errors import UsageApiError
from streamusage.client.usage_client import UsageClient
from tui.app.gap_details import read_gap
from tui.app.messages import DayPolled, DayRowsPolled, GapRead, MonthPolled
from tui.model.daily.day_shares import accounting_zone
from tui.model.daily.months import DayRows, Month, last_of, month_of, rows_of
from tui.model.gaps.gap_timeline import GapFigures

if TYPE_CHECKING:
    from tui.app.console_app import ConsoleApp


class Fetcher:
    """The reads of one console."""

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app
        self._awaited: set[tuple[object, ...]] = set()

    @property
    def awaits(self) -> bool:
        """Whether an answer has still to come."""
        return bool(self._awaited)

    def day(self, server: str, day: date) -> None:
        """Reads one server's day."""
        self._ask(("day", server, day), lambda: self._day(server, day))

    def month(self, first: date) -> None:
        """Reads the daily statistics of a month."""
        self._ask(("month", first), lambda: self._month(first))

    def day_rows(self, day: date) -> None:
        """Reads the roles and servers of a day."""
        self._ask(("day rows", day), lambda: self._day_rows(day))

    def gap(self, row: str, span: CoverageSpan, *, of_stream: bool) -> None:
        """Reads what an opened gap shows."""
        self._ask(("gap", row, span.from_ms, span.state), lambda: self._gap(row, span, of_stream))

    def _ask(self, question: tuple[object, ...], read: Callable[[], Awaitable[Message]]) -> None:
        async def hear() -> None:
            try:
                self._app.post_message(await read())
            finally:
                self._awaited.discard(question)

        if question not in self._awaited:
            self._awaited.add(question)
            self._app.run_worker(hear(), group="reads", exit_on_error=True)

    @property
    def client(self) -> UsageClient:
        """Who is asked. Raises `UsageApiError` where a recording is played: nobody is."""
        client = self._app.client
        if why := self._app.poller.nobody_to_ask:
            raise UsageApiError(client.host, "tell that", why)
        return client

    def _zone(self) -> str:
        return accounting_zone(self._app.state.tz).key

    async def _day(self, server: str, day: date) -> DayPolled:
        try:
            days = (await self.client.daily(day, day, self._zone(), server=server)).days
        except UsageApiError:
            days = []
        return DayPolled(server, day, days[0] if days else None)

    async def _month(self, first: date) -> MonthPolled:
        month: Month | str
        last, tz = last_of(first), self._zone()
        try:
            client = self.client
            by_day = await client.daily_sums(first, last, tz, by="day", group="all")
            month = month_of(first, by_day, await client.daily_sums(first, last, tz, by="month", group="all"))
        except UsageApiError as error:
            month = str(error)
        return MonthPolled(first, month)

    async def _day_rows(self, day: date) -> DayRowsPolled:
        rows: DayRows | str
        tz = self._zone()
        try:
            client = self.client
            roles = (await client.daily_sums(day, day, tz, by="day", group="role")).sums
            rows = rows_of(day, roles, (await client.daily(day, day, tz)).days)
        except UsageApiError as error:
            rows = str(error)
        return DayRowsPolled(day, rows)

    async def _gap(self, row: str, span: CoverageSpan, of_stream: bool) -> GapRead:
        figures: GapFigures | str
        try:
            figures = await read_gap(self.client, row, span, self._app.state.now_ms(), of_stream=of_stream)
        except UsageApiError as error:
            figures = str(error)
        return GapRead(row, span.from_ms, figures)

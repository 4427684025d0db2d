"""The part of the days view that shows the days of a month over all servers, and the servers of a day."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date

from streamusage.core.days import day_interval, day_of
from tui.app.messages.views import DayRowsPolled, MonthPolled
from tui.app.ports import Console
from tui.model.accounting_start import accounting_start, describe_start
from tui.model.daily.day_shares import accounting_zone
from tui.model.daily.group_reading import READ_EVERY_MS, REST_FACTOR
from tui.model.daily.months import DailyTotals, DayRows, Month, first_of, last_of, months_away
from tui.model.daily.reconciled import SUM
from tui.model.daily.reconciled_rows import ReconciledRows
from tui.model.services.days import names_of_rows
from tui.model.text import sanitize
from tui.widgets.day_lines import day_lines
from tui.widgets.lines import Part
from tui.widgets.month_summary import month_summary

_DAY_CELLS = 8
_SERVER_CELLS = 16
_SERVICE_CELLS = 4
"""Further cells of the names where the rows are of several services."""


class ServerDays:
    """What the days view shows by server. `port` returns the console, once the view is part of it."""

    def __init__(self, port: Callable[[], Console]) -> None:
        self._port = port
        self._first: date | None = None
        self._month: Month | None = None
        self.failure = ""
        """Why the last request failed; empty where it did not."""
        self._fetched_at_ms: int | None = None
        self._fetch_after_ms = READ_EVERY_MS
        self._place: int | None = None
        """The day under the cursor; `None` for the newest."""
        self.opened: date | None = None
        """The day whose servers are shown; `None` for the days of the month."""
        self._day_rows: DayRows | None = None
        self._row_place = 0
        """The row of the opened day under the cursor."""
        self._reconciled = ReconciledRows()

    # The days that are shown

    @property
    def first(self) -> date:
        """The first day of the month that is shown."""
        return self._this_month if self._first is None else self._first

    @property
    def _this_month(self) -> date:
        state = self._port().state
        return first_of(day_of(state.now_ms(), accounting_zone(state.tz)))

    def month_away(self, first: date, months: int) -> date:
        """Return the first day of the month that many months after one, at most this month."""
        return min(self._this_month, months_away(first, months))

    def show_month(self, first: date) -> None:
        """Show the days of another month."""
        if first != self.first:
            self._place, self._fetched_at_ms = None, None
        self._first = None if first == self._this_month else first
        self.opened = None

    def open(self, day: date | None) -> None:
        """Show the servers of a day, or the days of its month again with `None`."""
        self.opened, self._row_place = day, 0
        if day is not None:
            self._first = None if first_of(day) == self._this_month else first_of(day)
            self._port().fetcher.fetch_day_rows(day)

    # Data

    def expire(self) -> None:
        """Fetch everything again at the next opportunity."""
        self._fetched_at_ms = None

    def fetch_if_due(self) -> bool:
        """Fetch what is shown if it is old. Returns whether it was."""
        port = self._port()
        elapsed_ms = port.state.clock.elapsed_ms()
        if self._fetched_at_ms is not None and elapsed_ms - self._fetched_at_ms < self._fetch_after_ms:
            return False
        self._fetched_at_ms = elapsed_ms
        port.fetcher.fetch_month(self.first)
        if self.opened is not None:
            port.fetcher.fetch_day_rows(self.opened)
        return True

    def receive_month(self, polled: MonthPolled) -> bool:
        """Take a month over, or why it could not be fetched. Returns whether it is the one that is shown."""
        if polled.first != self.first:
            return False
        if self._fetched_at_ms is not None:
            took_ms = self._port().state.clock.elapsed_ms() - self._fetched_at_ms
            self._fetch_after_ms = max(READ_EVERY_MS, took_ms * (1 + REST_FACTOR))
        if isinstance(polled.month, str):
            self.failure = polled.month
        else:
            self.failure, self._month = "", polled.month
        return True

    def receive_rows(self, polled: DayRowsPolled) -> bool:
        """Take a day's roles and servers over, or why they could not be fetched. Returns whether they are shown."""
        if polled.day != self.opened:
            return False
        if isinstance(polled.rows, str):
            self.failure = polled.rows
        else:
            self.failure, self._day_rows = "", polled.rows
        return True

    async def read_reconciled(self) -> str | None:
        """Take the kept results of comparisons over. Returns a notice, which may be empty; `None` for no other ones."""
        port = self._port()
        kept = await asyncio.to_thread(port.read_reconciled)
        if not self._reconciled.is_new(kept):
            return None
        has_new_problem = await asyncio.to_thread(self._reconciled.update, kept, port.state.tz)
        return "a file of kept comparisons cannot be used, R: which, and why" if has_new_problem else ""

    # Rows

    @property
    def days(self) -> Sequence[tuple[date, DailyTotals]]:
        """The days of the month that is shown."""
        return self._month.days if self._month is not None and self._month.first == self.first else ()

    @property
    def rows(self) -> Sequence[DailyTotals]:
        """The rows without the month's sum, with the marks of comparisons."""
        if self.opened is None:
            return self._reconciled.marked(self._month, ((day, SUM, row) for day, row in self.days))
        if self._day_rows is None or self._day_rows.day != self.opened:
            return ()
        return self._reconciled.marked(self._day_rows, ((self.opened, row.name, row) for row in self._day_rows.rows))

    @property
    def total(self) -> DailyTotals | None:
        """The sum of the month, at the end of its days."""
        return self._month.total if self._month is not None and self.opened is None and self.days else None

    @property
    def known(self) -> Month | DayRows | None:
        """The answers that the rows are of."""
        return self._month if self.opened is None else self._day_rows

    @property
    def cursor(self) -> int:
        """The row under the cursor."""
        last = max(0, len(self.rows) - 1)
        if self.opened is not None:
            return min(self._row_place, last)
        return last if self._place is None else min(self._place, last)

    @property
    def day(self) -> date | None:
        """The opened day, else the day under the cursor."""
        return self.opened or (self.days[self.cursor][0] if self.days else None)

    def move_to(self, place: int) -> None:
        """Move the cursor."""
        if self.opened is not None:
            self._row_place = place
        else:
            self._place = None if place == len(self.rows) - 1 else place

    # Drawing

    @property
    def title(self) -> str:
        """The title over the names."""
        return "DAY" if self.opened is None else "SERVER"

    @property
    def name_cells(self) -> int:
        """The width of the names."""
        return _DAY_CELLS if self.opened is None else _SERVER_CELLS + _SERVICE_CELLS * bool(self._port().state.parts)

    def summary(self, without: list[Part], cells: int) -> list[Part]:
        """Return the line above the rows; `without` names the services whose figures are not in them."""
        state = self._port().state
        zone, month = accounting_zone(state.tz).key, self._month
        if self.opened is not None:
            day: Part = (f" {self.opened:%A %d %B %Y}", "strong")
            return [day, (f"  by server, a day of {zone}", "quiet"), *without]
        left: list[Part] = [(f" {self.first:%B %Y}", "strong"), (f"  days of {zone}", "quiet"), *without]
        if self.days and month is not None:
            return month_summary(month, left, self._since(self.first, last_of(self.first)), state.tz, cells)
        if not self.failure and state.knows_days and (month is None or month.first != self.first):
            left.append(("   loading …", "quiet"))
        return left

    def describe(self, figures: DailyTotals | None, cells: int) -> list[list[Part]]:
        """Describe the row under the cursor, or why there is none."""
        if self.failure:
            return [[(f" {sanitize(self.failure)}", "bad")]]
        if figures is None and self.opened is not None:
            return [[(" loading the servers of the day …", "quiet")]]
        if figures is None:
            is_known = self._month is not None and self._month.first == self.first
            return [[(" no server ran in this month", "quiet")]] if is_known else []
        day, state = self.day, self._port().state
        now_ms, tz = state.now_ms(), state.tz
        since = "" if day is None else self._since(day, day, figures.name if self.opened is not None else "")
        compared: Sequence[str] = ()
        if day is not None:
            compared = self._reconciled.describe(day, self._name_of(figures), figures, now_ms, tz)
        return day_lines(figures, day, since, compared, now_ms, tz, cells)

    def page(self, cells: int) -> list[str]:
        """Return the page of comparisons of the row under the cursor, in lines of at most `cells` cells."""
        rows, day = self.rows, self.day
        if not rows or day is None:
            return self._reconciled.problems(cells)
        row = rows[self.cursor]
        return self._reconciled.page(day, self._name_of(row), row, cells, self._port().state.tz)

    def _name_of(self, figures: DailyTotals) -> str:
        """Return the name of a row for its comparisons."""
        return SUM if self.opened is None else figures.name

    def _since(self, first: date, last: date, server: str = "") -> str:
        """Return since when accounting exists, if it began within these days: that of a row of a day, or of all."""
        state = self._port().state
        zone = accounting_zone(state.tz)
        servers = [known for known in state.servers or () if not server or server in names_of_rows(known)]
        started_at = accounting_start(servers, day_interval(first, zone).from_ms, day_interval(last, zone).to_ms)
        return describe_start(started_at, state.now_ms(), zone)

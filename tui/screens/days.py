"""Daily statistics: a month as a chart and a table, a day's servers, and the coverage behind every figure."""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from streamusage.core.days import day_interval, day_of
from tui.app.actions import Context, bindings
from tui.app.messages import DayRowsPolled, MonthPolled
from tui.model.accounting_start import accounting_start, describe_start
from tui.model.daily.day_shares import accounting_zone
from tui.model.daily.days import NO_DAYS, join_names
from tui.model.daily.months import DailyTotals, DayRows, Month, first_of, last_of, months_away
from tui.model.daily.reconciled import SUM
from tui.model.daily.reconciled_rows import ReconciledRows
from tui.model.services.days import names_of_rows
from tui.model.text import sanitize, width
from tui.screens.base import ConsoleScreen
from tui.widgets.audience import AudienceStrip
from tui.widgets.day_lines import day_lines
from tui.widgets.day_table import columns_within, row_parts, titles
from tui.widgets.headed_table import LineTable
from tui.widgets.lines import Line, Part
from tui.widgets.month_chart import LEGEND, month_chart
from tui.widgets.page import PageView

_FETCH_EVERY_MS = 15_000
_REST_FACTOR = 5
"""A month that took long to compute is fetched less often: the service rests for this multiple of the time."""
_CHART_FROM_LINES = 20
_PAGE_CELLS = 100
_PAGE_FRAME_CELLS = 8
"""Of a page of text: its width, and what frame, padding and scrollbar take."""
_DAY_CELLS = 8
_SERVER_CELLS = 16
_SERVICE_CELLS = 4
"""Further cells of the names where the rows are of several services."""
_DESCRIPTION_LINES = 4
_MOST_DESCRIPTION_LINES = 8
"""With a void closing, and with a service that does not answer, there is one line more; with a comparison up to two."""


class DaysScreen(ConsoleScreen):
    """The daily statistics of a month, and of the servers of a day."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.DAYS)]

    CONTEXT: ClassVar[Context] = Context.DAYS

    def __init__(self) -> None:
        super().__init__()
        self._first: date | None = None
        self._month: Month | None = None
        self._failed = ""
        self._fetched_at_ms: int | None = None
        self._fetch_after_ms = _FETCH_EVERY_MS
        self._place: int | None = None
        """The day under the cursor; `None` for the newest."""
        self._opened: date | None = None
        self._day_rows: DayRows | None = None
        self._row_place = 0
        """The row of the opened day under the cursor."""
        self._shown_cursor = 0
        """The row that is drawn with the cursor."""
        self._chart_of: tuple[object, ...] = ()
        """What the chart that is drawn shows."""
        self._reconciled = ReconciledRows()

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        yield Line(id="header")
        yield AudienceStrip(self.state, id="audience")
        yield Line(id="summary")
        yield PageView(id="chart")
        yield LineTable(id="page")
        for number in range(_MOST_DESCRIPTION_LINES):
            yield Line(id=f"description-{number}")
        yield Line(id="keys")

    def on_mount(self) -> None:
        """Prepare the widgets."""
        self.subscribe(self.port.feeds.month, self._show_month)
        self.subscribe(self.port.feeds.day_rows, self._show_day_rows)
        self.table.focus()
        self.state_changed(polled=False)

    def on_resize(self) -> None:
        """Draw for the new size."""
        if self.is_drawn:
            self.call_after_refresh(self._draw)

    @property
    def table(self) -> LineTable:
        """The table of the days, or of a day's servers."""
        return self.query_one("#page", LineTable)

    # Data

    @property
    def first(self) -> date:
        """The first day of the month that is shown."""
        if self._first is None:
            return first_of(day_of(self.state.now_ms(), accounting_zone(self.state.tz)))
        return self._first

    @property
    def opened(self) -> date | None:
        """The day whose servers are shown."""
        return self._opened

    def state_changed(self, *, polled: bool) -> None:
        """Draw what is different."""
        if not self.is_drawn:
            return
        elapsed_ms = self.state.clock.elapsed_ms()
        if self.state.knows_days and (
            self._fetched_at_ms is None or elapsed_ms - self._fetched_at_ms >= self._fetch_after_ms
        ):
            self._fetched_at_ms = elapsed_ms
            self.port.fetcher.fetch_month(self.first)
            if self._opened is not None:
                self.port.fetcher.fetch_day_rows(self._opened)
            self.run_worker(self._read_reconciled(), group="reconciled", exit_on_error=True)
        self._draw()

    async def _read_reconciled(self) -> None:
        """Show the kept results of comparisons, as far as they are other ones."""
        kept = await asyncio.to_thread(self.port.read_reconciled)
        if not self._reconciled.is_new(kept):
            return
        has_new_problem = await asyncio.to_thread(self._reconciled.update, kept, self.state.tz)
        if self.is_drawn:
            if has_new_problem:
                self.show_notice("a file of kept comparisons cannot be used, R: which, and why", "warn")
            self._draw()

    def _show_month(self, polled: MonthPolled) -> None:
        """Show a month, or why it could not be fetched."""
        month = polled.month
        if polled.first != self.first or not self.is_drawn:
            return
        if self._fetched_at_ms is not None:
            took_ms = self.state.clock.elapsed_ms() - self._fetched_at_ms
            self._fetch_after_ms = max(_FETCH_EVERY_MS, took_ms * (1 + _REST_FACTOR))
        if isinstance(month, str):
            self._failed = month
        else:
            self._failed, self._month = "", month
        self._draw()

    def _show_day_rows(self, polled: DayRowsPolled) -> None:
        """Show a day's roles and servers, or why they could not be fetched."""
        rows = polled.rows
        if polled.day != self._opened or not self.is_drawn:
            return
        if isinstance(rows, str):
            self._failed = rows
        else:
            self._failed, self._day_rows = "", rows
        self._draw()

    # Drawing

    def _days(self) -> Sequence[tuple[date, DailyTotals]]:
        return self._month.days if self._month is not None and self._month.first == self.first else ()

    def _rows(self) -> Sequence[DailyTotals]:
        """Return the rows of the table without the month's sum, with the marks of comparisons."""
        if self._opened is None:
            return self._reconciled.marked(self._month, ((day, SUM, row) for day, row in self._days()))
        if self._day_rows is None or self._day_rows.day != self._opened:
            return ()
        return self._reconciled.marked(self._day_rows, ((self._opened, row.name, row) for row in self._day_rows.rows))

    def _name_of(self, figures: DailyTotals) -> str:
        """Return the name of a row for its comparisons."""
        return SUM if self._opened is None else figures.name

    def _cursor(self) -> int:
        last = max(0, len(self._rows()) - 1)
        if self._opened is not None:
            return min(self._row_place, last)
        return last if self._place is None else min(self._place, last)

    def _day(self) -> date | None:
        """Return the opened day, else the day under the cursor."""
        days = self._days()
        return self._opened or (days[self._cursor()][0] if days else None)

    def _draw(self) -> None:
        rows, place = self._rows(), self._cursor()
        self._draw_header("daily statistics")
        self.query_one("#summary", Line).show(*self._summary())
        self._draw_chart()
        name_cells = _DAY_CELLS if self._opened is None else _SERVER_CELLS + _SERVICE_CELLS * bool(self.state.parts)
        columns = columns_within(self.size.width - name_cells - 2, rows)
        shown = list(rows)
        total = self._month.total if self._month is not None else None
        if self._opened is None and rows and total is not None:
            shown.append(total)
        self._shown_cursor = place

        def draw_row(number: int) -> list[Part]:
            cursor = bool(rows) and number == self._shown_cursor
            return row_parts(shown[number], name_cells, columns, self.table.cells, cursor=cursor)

        heading = titles("DAY" if self._opened is None else "SERVER", name_cells, columns)
        self.table.show(heading, len(shown), draw_row, visible=self._visible_rows(len(shown)))
        self._draw_description(rows[place] if rows else None)
        self._draw_keys()

    def _visible_rows(self, shown: int) -> tuple[int, int]:
        """Return what is scrolled to: the row after the cursor's, which is the sum at the end, and the cursor's."""
        place = self._cursor()
        return min(place + 1, max(0, shown - 1)), place

    def _draw_cursor(self) -> None:
        """Draw a move of the cursor: two rows, and the description."""
        rows, before = self._rows(), self._shown_cursor
        self._shown_cursor = self._cursor()
        self.table.move_cursor(before, self._shown_cursor, visible=self._visible_rows(self.table.row_count))
        self._draw_description(rows[self._shown_cursor] if rows else None)
        self._draw_keys()

    def _draw_chart(self) -> None:
        days = self._days()
        chart = self.query_one("#chart", PageView)
        chart.display = self.size.height >= _CHART_FROM_LINES and bool(days)
        lines = max(4, min(10, self.size.height // 4))
        chart.styles.height = lines + 3
        if chart.display and self._chart_of != (chart_of := (self.first, days, self.size.width, lines)):
            self._chart_of = chart_of
            drawn = month_chart(self.first, days, self.size.width - 1, lines)
            chart.show([*drawn, [(" " * 9, ""), *LEGEND, ("traffic out a day", "quiet")]])

    def _summary(self) -> tuple[list[Part], list[Part]]:
        zone = accounting_zone(self.state.tz).key
        days, month = self._days(), self._month
        if self._opened is not None:
            opened: list[Part] = [
                (f" {self._opened:%A %d %B %Y}", "strong"),
                (f"  by server, a day of {zone}", "quiet"),
            ]
            return [*opened, *self._without(self._day_rows)], []
        left: list[Part] = [(f" {self.first:%B %Y}", "strong"), (f"  days of {zone}", "quiet")]
        left += self._without(month)
        if days and month is not None:
            if month.total is not None:
                left += [("   complete ", "quiet"), (month.total.complete(), "strong")]
            after_share = len(left)
            for state, ink in (("provisional", "missing"), ("adjusted", "partial")):
                number = sum(figures.state == state for _, figures in days)
                left += [(f"   {number} {state}", ink)] if number else []
            voided = sum(figures.voids is not None for _, figures in days)
            left += [(f"   {voided} void", "bad")] if voided else []
            if zone not in month.account_zones:
                left.append(("   not an account zone: its days are never closed", "quiet"))
            since: Part = (self._since(self.first, last_of(self.first)), "quiet")
            if (
                month.total and sum(width(text) for text, _ in [*left, since]) <= self.size.width
            ):  # else the day's description has it
                left.insert(after_share, since)
        elif not self._failed and self.state.knows_days and month is None:
            left.append(("   loading …", "quiet"))
        return left, []

    def _without(self, known: Month | DayRows | None) -> list[Part]:
        """Name the services whose figures are not in the table."""
        if known is None or not known.without:
            return []
        return [(f"   without {sanitize(join_names(known.without))}", "bad")]

    def _failures(self) -> list[list[Part]]:
        """Return a line that says why services have no figures, or only earlier ones."""
        known = self._month if self._opened is None else self._day_rows
        if known is None or not known.failures:
            return []
        return [[(f" {sanitize('; '.join(f'{name}: {why}' for name, why in known.failures.items()))}", "bad")]]

    def _draw_description(self, figures: DailyTotals | None) -> None:
        lines: list[list[Part]] = []
        if not self.state.knows_days:
            lines = [[(f" {sanitize(self.state.host)}: {NO_DAYS}", "warn")]]
        elif self._failed:
            lines = [[(f" {sanitize(self._failed)}", "bad")]]
        elif figures is not None:
            lines = self._description(figures)
        elif self._opened is not None:
            lines = [[(" loading the servers of the day …", "quiet")]]
        elif self._month is not None:
            lines = [[(" no server ran in this month", "quiet")]]
        lines = [*self._failures(), *lines]
        for number in range(_MOST_DESCRIPTION_LINES):
            line = self.query_one(f"#description-{number}", Line)
            line.display = number < max(_DESCRIPTION_LINES, len(lines))
            line.show(lines[number] if number < len(lines) else [])

    def _description(self, figures: DailyTotals) -> list[list[Part]]:
        day, now_ms = self._day(), self.state.now_ms()
        since = "" if day is None else self._since(day, day, figures.name if self._opened is not None else "")
        compared: Sequence[str] = ()
        if day is not None:
            compared = self._reconciled.describe(day, self._name_of(figures), figures, now_ms, self.state.tz)
        return day_lines(figures, day, since, compared, now_ms, self.state.tz, self.size.width)

    def _since(self, first: date, last: date, server: str = "") -> str:
        """Return since when accounting exists, if it began within these days: that of a row of a day, or of all."""
        zone = accounting_zone(self.state.tz)
        servers = [known for known in self.state.servers or () if not server or server in names_of_rows(known)]
        started_at = accounting_start(servers, day_interval(first, zone).from_ms, day_interval(last, zone).to_ms)
        return describe_start(started_at, self.state.now_ms(), zone)

    # Keys

    @property
    def service_under_cursor(self) -> str:
        """The service of the row under the cursor, where there are several; else empty."""
        rows = self._rows()
        return rows[self._cursor()].service if rows else ""

    def action_move(self, rows: int) -> None:
        """Move down, or up (below zero)."""
        last = max(0, len(self._rows()) - 1)
        place = min(max(0, self._cursor() + rows), last)
        if self._opened is not None:
            self._row_place = place
        else:
            self._place = None if place == last else place
        self._draw_cursor()

    def action_move_page(self, pages: int) -> None:
        """Move pages down, or up (below zero)."""
        self.action_move(pages * max(1, self.table.page_rows))

    def action_first(self) -> None:
        """Move to the first row."""
        self.action_move(-len(self._rows()))

    def action_last(self) -> None:
        """Move to the last row."""
        self.action_move(len(self._rows()))

    def action_pan(self, months: int) -> None:
        """Show another month."""
        now = first_of(day_of(self.state.now_ms(), accounting_zone(self.state.tz)))
        target = min(now, months_away(self.first, months))
        self._first = None if target == now else target
        self._place, self._opened, self._month, self._fetched_at_ms = None, None, None, None
        self.state_changed(polled=False)

    def action_open(self) -> None:
        """Show the servers of the day, or the month again."""
        self._opened = None if self._opened is not None else self._day()
        self._row_place = 0
        if self._opened is not None:
            self.port.fetcher.fetch_day_rows(self._opened)
        elif not self._days():
            self.show_notice("no day to open in this month", "warn")
        self._draw()

    def action_reconciled(self) -> None:
        """Show the comparisons of the row under the cursor with outside accounts."""
        from tui.screens.page import PageScreen

        rows, day = self._rows(), self._day()
        cells = max(20, min(self.size.width, _PAGE_CELLS) - _PAGE_FRAME_CELLS)
        if rows and day is not None:
            row = rows[self._cursor()]
            lines = self._reconciled.page(day, self._name_of(row), row, cells, self.state.tz)
        else:
            lines = self._reconciled.problems(cells)
        if lines:
            self.app.push_screen(PageScreen(lines, closed_by=("R",)))
        else:
            self.show_notice("no comparison of this row; streamtop reconcile FILE... compares and keeps it", "warn")

    def action_refresh(self) -> None:
        """Poll now."""
        self._fetched_at_ms = None
        super().action_refresh()
        self.state_changed(polled=False)

    def action_back(self) -> None:
        """Close the innermost thing that is open."""
        if self._opened is not None:
            self.action_open()
        else:
            self.app.pop_screen()

"""Daily statistics: a month as a chart and a table, a day's servers, streams, scopes and customers, and the coverage
behind every figure.
"""

from collections.abc import Sequence
from datetime import date
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from tui.app.actions import Action, Context, bindings
from tui.app.messages.views import DayRowsPolled, GroupsPolled, MonthPolled
from tui.model.daily.days import NO_DAYS, join_names
from tui.model.daily.groups import GroupRows
from tui.model.daily.months import DailyTotals, DayRows, Month, first_of
from tui.model.text import sanitize
from tui.screens.base import ConsoleScreen
from tui.screens.daily.groups import GroupedDays, ShownDays
from tui.screens.daily.servers import ServerDays
from tui.widgets.audience import AudienceStrip
from tui.widgets.day_table import GROUP_COLUMNS, columns_within, row_parts, titles
from tui.widgets.filter_prompt import FilterPrompt
from tui.widgets.headed_table import LineTable
from tui.widgets.lines import Line, Part
from tui.widgets.month_chart import LEGEND, month_chart
from tui.widgets.page import PageView

_CHART_FROM_LINES = 20
_PAGE_CELLS = 100
_PAGE_FRAME_CELLS = 8
"""Of a page of text: its width, and what frame, padding and scrollbar take."""
_DESCRIPTION_LINES = 4
_MOST_DESCRIPTION_LINES = 8
"""With a void closing, and with a service that does not answer, there is one line more; with a comparison up to two."""
_GROUP_LABELS = {"open": "details", "reconciled": "", "filter": "filter"}
"""Labels of actions for streams, scopes and customers, as far as they differ; all have to fit into 80 columns."""


class DaysScreen(ConsoleScreen):
    """The daily statistics of a month, of the servers of a day, and of both by stream, scope or customer."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.DAYS)]

    CONTEXT: ClassVar[Context] = Context.DAYS

    def __init__(self) -> None:
        super().__init__()
        self._servers = ServerDays(lambda: self.port)
        self._groups = GroupedDays(lambda: self.port)
        self._shown_cursor = 0
        """The row that is drawn with the cursor."""
        self._chart_of: tuple[object, ...] = ()
        """What the chart that is drawn shows."""

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        yield Line(id="header")
        yield AudienceStrip(self.state, id="audience")
        yield Line(id="summary")
        yield PageView(id="chart")
        yield LineTable(id="page")
        yield FilterPrompt(id="prompt")
        for number in range(_MOST_DESCRIPTION_LINES):
            yield Line(id=f"description-{number}")
        yield Line(id="keys")

    def prepare(self) -> None:
        """Prepare the widgets."""
        self.subscribe(self.port.feeds.month, self._show_month)
        self.subscribe(self.port.feeds.day_rows, self._show_day_rows)
        self.subscribe(self.port.feeds.groups, self._show_groups)
        self.table.focus()
        self.state_changed(polled=False)

    def on_resize(self) -> None:
        """Draw for the new size."""
        if self.is_drawn:
            self.call_after_refresh(self._draw)

    @property
    def table(self) -> LineTable:
        """The table of the days, or of a day's servers, or of groups."""
        return self.query_one("#page", LineTable)

    @property
    def first(self) -> date:
        """The first day of the month that is shown."""
        return self._servers.first

    @property
    def opened(self) -> date | None:
        """The day that is shown; `None` for the month."""
        return self._servers.opened

    @property
    def shows_groups(self) -> bool:
        """Whether streams, scopes or customers are shown, and not days or servers."""
        return self._groups.rows is not None

    def available_actions(self) -> list[Action]:
        """Return the actions of this view; those of days and servers have no use for groups."""
        actions = super().available_actions()
        if self._groups.rows is None:
            return actions
        return [action._replace(label=_GROUP_LABELS.get(action.name, action.label)) for action in actions]

    # Data

    def state_changed(self, *, polled: bool) -> None:
        """Draw what is different."""
        if not self.is_drawn:
            return
        self._groups.refresh()
        if self.state.knows_days and self._groups.rows is None and self._servers.fetch_if_due():
            self.run_worker(self._read_reconciled(), group="reconciled", exit_on_error=True)
        self._draw()

    async def _read_reconciled(self) -> None:
        """Show the kept results of comparisons, as far as they are other ones."""
        notice = await self._servers.read_reconciled()
        if notice is not None and self.is_drawn:
            if notice:
                self.show_notice(notice, "warn")
            self._draw()

    def _show_month(self, polled: MonthPolled) -> None:
        """Show a month, or why it could not be fetched."""
        if self.is_drawn and self._servers.receive_month(polled):
            self._draw()

    def _show_day_rows(self, polled: DayRowsPolled) -> None:
        """Show a day's roles and servers, or why they could not be fetched."""
        if self.is_drawn and self._servers.receive_rows(polled):
            self._draw()

    def _show_groups(self, polled: GroupsPolled) -> None:
        """Show the rows of a group, or why they could not be fetched."""
        if self.is_drawn and self._groups.receive(polled):
            self._groups_changed()

    # Drawing

    def _rows(self) -> Sequence[DailyTotals]:
        """Return the rows of the table without the sum at its end."""
        return self._servers.rows if self._groups.rows is None else self._groups.rows

    def _total(self) -> DailyTotals | None:
        """Return the sum at the end of the table."""
        return self._servers.total if self._groups.rows is None else self._groups.rows.total

    def _cursor(self) -> int:
        return self._servers.cursor if self._groups.rows is None else self._groups.cursor

    def _known(self) -> Month | DayRows | GroupRows | None:
        return self._servers.known if self._groups.rows is None else self._groups.rows

    def _draw(self) -> None:
        rows, total, place, groups = self._rows(), self._total(), self._cursor(), self._groups.rows
        width = self.size.width
        if groups is None:
            title, name_cells = self._servers.title, self._servers.name_cells
            columns = columns_within(width - name_cells - 2, rows)
        else:
            title, name_cells = groups.request.group.upper(), self._groups.name_cells(width)
            columns = columns_within(width - name_cells - 2, groups.examples, GROUP_COLUMNS)
        self._draw_header("daily statistics" if groups is None else f"daily statistics by {groups.request.group}")
        left = self._servers.summary(self._without(), width) if groups is None else self._groups.summary()
        without = self._without() if groups is not None else []
        self.query_one("#summary", Line).show([*left, *without, *self._groups.progress()])
        self._draw_chart()
        self._shown_cursor, is_old = place, self._groups.wanted is not None

        def draw_row(number: int) -> list[Part]:
            row = rows[number] if number < len(rows) else total
            assert row is not None
            cursor, dimmed = bool(rows) and number == self._shown_cursor, is_old or row.is_remainder
            return row_parts(row, name_cells, columns, self.table.cells, cursor=cursor, dimmed=dimmed)

        shown = len(rows) + (total is not None)
        self.table.show(titles(title, name_cells, columns), shown, draw_row, visible=self._visible_rows(shown))
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
        days = self._servers.days
        chart = self.query_one("#chart", PageView)
        chart.display = self.size.height >= _CHART_FROM_LINES and bool(days) and self._groups.rows is None
        lines = max(4, min(10, self.size.height // 4))
        chart.styles.height = lines + 3
        if chart.display and self._chart_of != (chart_of := (self.first, days, self.size.width, lines)):
            self._chart_of = chart_of
            drawn = month_chart(self.first, days, self.size.width - 1, lines)
            chart.show([*drawn, [(" " * 9, ""), *LEGEND, ("traffic out a day", "quiet")]])

    def _without(self) -> list[Part]:
        """Name the services whose figures are not in the table."""
        known = self._known()
        if known is None or not known.without:
            return []
        return [(f"   without {sanitize(join_names(known.without))}", "bad")]

    def _failures(self) -> list[list[Part]]:
        """Return lines that say why there are no groups, and why services have no figures, or only earlier ones."""
        known, lines = self._known(), list[list[Part]]()
        if self._groups.failure:
            lines.append([(f" {sanitize(self._groups.failure)}", "bad")])
        if known is not None and known.failures:
            lines.append([(f" {sanitize('; '.join(f'{name}: {why}' for name, why in known.failures.items()))}", "bad")])
        return lines

    def _draw_description(self, figures: DailyTotals | None) -> None:
        if not self.state.knows_days:
            lines: list[list[Part]] = [[(f" {sanitize(self.state.host)}: {NO_DAYS}", "warn")]]
        elif self._groups.rows is not None:
            lines = self._groups.describe(figures)
        else:
            lines = self._servers.describe(figures, self.size.width)
        lines = [*self._failures(), *lines]
        for number in range(_MOST_DESCRIPTION_LINES):
            line = self.query_one(f"#description-{number}", Line)
            line.display = number < max(_DESCRIPTION_LINES, len(lines))
            line.show(lines[number] if number < len(lines) else [])

    # The cursor

    @property
    def service_under_cursor(self) -> str:
        """The service of the row under the cursor, where there are several; else empty."""
        rows = self._rows()
        return rows[self._cursor()].service if rows else ""

    def action_move(self, rows: int) -> None:
        """Move down, or up (below zero)."""
        place = min(max(0, self._cursor() + rows), max(0, len(self._rows()) - 1))
        if self._groups.rows is None:
            self._servers.move_to(place)
        else:
            self._groups.move_to(place)
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

    # Other days and groups

    def action_pan(self, months: int) -> None:
        """Show another month."""
        wanted = self._groups.wanted
        first = self._servers.month_away(self.first if wanted is None else first_of(wanted.first), months)
        if self._groups.group is None:
            self._servers.show_month(first)
        else:
            self._groups.show(self._groups.group, ShownDays(first, None))
        self._groups_changed()

    def action_next_group(self, steps: int) -> None:
        """Show streams, scopes or customers of the same days, or servers again."""
        if not self.state.knows_days:
            self.show_notice(f"{sanitize(self.state.host)}: {NO_DAYS}", "warn")
            return
        self._groups.show_next(steps, ShownDays(self.first, self.opened))
        if self._groups.group is None and self.opened is not None:
            self._servers.open(self.opened)
        self._groups_changed()

    def _groups_changed(self) -> None:
        """Draw the rows, whose days are those that are shown from now on."""
        if (rows := self._groups.rows) is not None:
            self._servers.show_month(first_of(rows.request.first))
            if rows.request.by == "day":
                self._servers.opened = rows.request.first
        self.state_changed(polled=False)

    def action_open(self) -> None:
        """Show the servers of the day, or the month again; of a stream, a scope or a customer its page."""
        if self._groups.rows is not None:
            self._open_page(self._groups.page(self._page_cells()), "enter")
            return
        self._groups.abandon()
        if self.opened is None and self._servers.day is None:
            self.show_notice("no day to open in this month", "warn")
        self._servers.open(self._servers.day if self.opened is None else None)
        self._draw()

    def action_reconciled(self) -> None:
        """Show the comparisons of the row under the cursor with outside accounts."""
        if self._groups.rows is not None:
            self.show_notice("comparisons are those of days and servers; tab shows them", "warn")
        elif lines := self._servers.page(self._page_cells()):
            self._open_page(lines, "R")
        else:
            self.show_notice("no comparison of this row; streamtop reconcile FILE... compares and keeps it", "warn")

    def _page_cells(self) -> int:
        return max(20, min(self.size.width, _PAGE_CELLS) - _PAGE_FRAME_CELLS)

    def _open_page(self, lines: list[str], key: str) -> None:
        from tui.screens.page import PageScreen

        if lines:
            self.app.push_screen(PageScreen(lines, closed_by=(key,)))

    def action_refresh(self) -> None:
        """Poll now."""
        self._servers.expire()
        self._groups.refresh(at_once=True)
        super().action_refresh()
        self.state_changed(polled=False)

    def action_back(self) -> None:
        """Close the innermost thing that is open."""
        if self._groups.abandon():
            self._draw()
        elif self._groups.rows is not None and self._groups.filter:
            self._filter_given_up()
        elif self.opened is not None:
            self._groups.show(None, ShownDays(self.first, None))
            self._servers.open(None)
            self.state_changed(polled=False)
        else:
            self.app.pop_screen()

    # Filter and order of groups

    def action_order(self) -> None:
        """Order groups by name, or the most traffic first."""
        if self._groups.rows is None:
            self.show_notice("days and servers have one order; tab: streams, scopes, customers", "quiet")
        else:
            self.show_notice(self._groups.change_order(), "quiet")

    def action_filter(self) -> None:
        """Open the filter prompt."""
        if self._groups.rows is None:
            self.show_notice("the filter selects streams, scopes and customers: tab", "quiet")
            return
        self.add_class("filtering")
        prompt = self.query_one(FilterPrompt)
        prompt.open(self._groups.filter)
        prompt.focus()
        self._draw_keys()

    @on(Input.Changed, "#prompt")
    def _filter_typed(self, event: Input.Changed) -> None:
        if self.has_class("filtering"):
            self._groups.select(event.value)
            self._draw()

    @on(Input.Submitted, "#prompt")
    def _filter_chosen(self) -> None:
        self.remove_class("filtering")
        self.table.focus()
        self._draw()

    @on(FilterPrompt.GivenUp)
    def _filter_given_up(self) -> None:
        self._groups.select("")
        self._filter_chosen()

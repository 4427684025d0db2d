"""Daily statistics: a month as a chart and a table, a day's servers under it, and what every figure rests on."""

from collections.abc import Sequence
from datetime import date
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from streamusage.day_answers import DailyStatistics
from streamusage.days import day_of
from tui.actions import Context, available, bindings
from tui.model import formats
from tui.model.day_shares import accounting_zone
from tui.model.months import Figures, Month, coverage_in_words, first_of, month_of, months_away, split_in_words
from tui.model.text import padded, padded_left, safe, width
from tui.screens.base import ConsoleScreen
from tui.screens.help import HelpScreen
from tui.widgets import bars
from tui.widgets.lines import Line, Part
from tui.widgets.month_chart import LEGEND, month_chart
from tui.widgets.page import Page

_ASK_EVERY_MS = 15_000
_CHART_FROM_LINES = 20
_COLUMNS = (
    ("STATE", 12),
    ("COMPLETE", 9),
    ("RECOVERED", 10),
    ("CONN", 8),
    ("OUT", 9),
    ("PEAK OUT", 14),
    ("VIEW TIME", 10),
    ("IN", 9),
    ("AVERAGE", 9),
)
"""Columns by how soon they are wanted; those that do not fit are left out."""


class DaysScreen(ConsoleScreen):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.DAYS)]

    PLACE: ClassVar[Context] = Context.DAYS

    def __init__(self) -> None:
        super().__init__()
        self._first: date | None = None
        self._month: Month | None = None
        self._failed = ""
        self._asked_at_ms: int | None = None
        self._place: int | None = None
        """Which day has the cursor; `None` for the newest."""
        self._open = False

    def compose(self) -> ComposeResult:
        yield Line(id="header")
        yield Line(id="summary")
        yield Page(id="chart")
        yield Line(id="titles")
        yield Page(id="page")
        yield Line(id="words-0")
        yield Line(id="words-1")
        yield Line(id="keys")

    def on_mount(self) -> None:
        self.query_one("#page").focus()
        self.state_changed(polled=False)

    def on_resize(self) -> None:
        if self.is_drawn:
            self.call_after_refresh(self._draw)

    # What is asked

    @property
    def first(self) -> date:
        """The first day of the month that is shown."""
        if self._first is None:
            return first_of(day_of(self.state.now_ms(), accounting_zone(self.state.tz)))
        return self._first

    def state_changed(self, *, polled: bool) -> None:
        if not self.is_drawn:
            return
        elapsed_ms = self.state.clock.elapsed_ms()
        if self.state.cannot_show == "" and (
            self._asked_at_ms is None or elapsed_ms - self._asked_at_ms >= _ASK_EVERY_MS
        ):
            self._asked_at_ms = elapsed_ms
            self.console_app.ask_for_month(self.first)
        self._draw()

    def month_polled(self, first: date, days: Sequence[DailyStatistics] | str) -> None:
        """Takes in a month, or why it could not be read."""
        if first != self.first or not self.is_drawn:
            return
        if isinstance(days, str):
            self._failed = days
        else:
            self._failed, self._month = "", month_of(days, first)
        self._draw()

    # What is drawn

    def _rows(self) -> list[tuple[date, Figures]]:
        return self._month.day_rows() if self._month is not None and self._month.first == self.first else []

    def _draw(self) -> None:
        state = self.state
        rows = self._rows()
        place = self._cursor(rows)
        self.query_one("#header", Line).show(*bars.header(state, "daily statistics"))
        self.query_one("#summary", Line).show(*self._summary())
        chart = self.query_one("#chart", Page)
        chart.display = self.size.height >= _CHART_FROM_LINES and bool(rows)
        lines = max(4, min(10, self.size.height // 4))
        chart.styles.height = lines + 3
        if chart.display:
            drawn = month_chart(self.first, rows, self.size.width - 1, lines)
            chart.show([*drawn, [(" " * 9, ""), *LEGEND, ("traffic out a day", "quiet")]])
        columns = self._columns()
        titles = padded(" SERVER" if self._open else " DAY", _name_cells(self._open))
        titles += "".join(padded_left(name, cells) for name, cells in columns)
        self.query_one("#titles", Line).show([(titles, "quiet")])
        chosen: list[tuple[Figures, bool]] = []
        if self._open and rows and self._month is not None:
            roles: dict[str, str] = {server.server: server.role for server in state.servers or ()}
            chosen = [(figures, False) for figures in self._month.rows_of(rows[place][0], roles)]
        else:
            chosen = [(figures, number == place) for number, (_, figures) in enumerate(rows)]
            total = self._month.total() if self._month is not None and rows else None
            if total is not None:
                chosen.append((total, False))
        page = self.query_one("#page", Page)
        page.show([self._row(figures, columns, cursor=cursor) for figures, cursor in chosen])
        if not self._open and rows:
            page.scroll_to(y=max(0, place - page.size.height + 2), animate=False)
        self._draw_words(rows[place][1] if rows else None)
        actions = available(Context.DAYS, read_only=state.is_read_only(), keymap=state.keymap)
        self.query_one("#keys", Line).show(bars.keys(actions, self.size.width))

    def _cursor(self, rows: Sequence[tuple[date, Figures]]) -> int:
        last = max(0, len(rows) - 1)
        return last if self._place is None else min(self._place, last)

    def _summary(self) -> tuple[list[Part], list[Part]]:
        zone = accounting_zone(self.state.tz).key
        left: list[Part] = [(f" {self.first:%B %Y}", "strong"), (f"  days of {zone}", "quiet")]
        total = self._month.total() if self._rows() and self._month is not None else None
        if total is not None:
            left += [("   complete ", "quiet"), (total.complete(), "strong")]
            open_days = sum(figures.state == "provisional" for _, figures in self._rows())
            if open_days:
                left.append((f"   {open_days} provisional", "missing"))
        elif not self._failed and not self.state.cannot_show and self._month is None:
            left.append(("   asking …", "quiet"))
        rows = self._rows()
        right = [(f"{rows[self._cursor(rows)][0]:%A %d %B} by server ", "accent")] if self._open and rows else []
        return left, right

    def _draw_words(self, figures: Figures | None) -> None:
        first: list[Part] = []
        second: list[Part] = []
        if self.state.cannot_show:
            first = [(f" {safe(self.state.host)} is a plain Stream Manager: it keeps no daily statistics", "warn")]
        elif self._failed:
            first = [(f" {safe(self._failed)}", "bad")]
        elif figures is not None:
            first = [
                (f" {figures.name.strip()} · {figures.state} · ", "strong"),
                (coverage_in_words(figures), figures.worst.value),
            ]
            second = [(f" {split_in_words(figures) or 'no connections'}", "quiet")]
            if not figures.is_complete:
                second.append((" · not complete: every figure is a lower bound", "missing"))
        elif self._month is not None:
            first = [(" no server ran in this month", "quiet")]
        self.query_one("#words-0", Line).show(first)
        self.query_one("#words-1", Line).show(second)

    def _columns(self) -> list[tuple[str, int]]:
        room = self.size.width - _name_cells(self._open) - 2
        columns = []
        for name, cells in _COLUMNS:
            if cells <= room:
                columns.append((name, cells))
                room -= cells
        return columns

    def _row(self, figures: Figures, columns: Sequence[tuple[str, int]], *, cursor: bool) -> list[Part]:
        over = " cursor" if cursor else ""
        mark = "▸" if cursor else " "
        parts: list[Part] = [(padded(f"{mark}{safe(figures.name)}", _name_cells(self._open)), f"strong{over}")]
        average = figures.average_view_time_ms()
        texts = {
            "STATE": (
                figures.state,
                "" if figures.state == "final" else "missing" if figures.state == "provisional" else "partial",
            ),
            "COMPLETE": (figures.complete(), "" if figures.is_complete else figures.worst.value),
            "RECOVERED": (figures.recovered(), "backfilled" if figures.backfilled.bytes_out else "quiet"),
            "CONN": (formats.count_within(figures.connections, 7), ""),
            "OUT": (formats.traffic(figures.bytes_out), ""),
            "PEAK OUT": (figures.peak_out(), ""),
            "VIEW TIME": (formats.duration(figures.view_time_ms), ""),
            "IN": (formats.traffic(figures.bytes_in), ""),
            "AVERAGE": (formats.UNKNOWN if average is None else formats.duration(average), ""),
        }
        for name, cells in columns:
            text, ink = texts[name]
            parts.append((padded_left(text, cells), f"{ink}{over}"))
        room = self.query_one("#page", Page).cells - sum(width(text) for text, _ in parts)
        return [*parts, (" " * max(0, room), over)]

    # Keys

    def action_move(self, rows: int) -> None:
        if self._open:
            self.query_one("#page", Page).scroll_relative(y=rows, animate=False)
            return
        days = self._rows()
        place = min(max(0, self._cursor(days) + rows), max(0, len(days) - 1))
        self._place = None if place == len(days) - 1 else place
        self._draw()

    def action_move_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self.query_one("#page").size.height - 1))

    def action_first(self) -> None:
        self.action_move(-len(self._rows()))

    def action_last(self) -> None:
        self.action_move(len(self._rows()))

    def action_pan(self, months: int) -> None:
        """Another month."""
        now = first_of(day_of(self.state.now_ms(), accounting_zone(self.state.tz)))
        wanted = min(now, months_away(self.first, months))
        self._first = None if wanted == now else wanted
        self._place, self._open, self._month, self._asked_at_ms = None, False, None, None
        self.state_changed(polled=False)

    def action_open(self) -> None:
        """The servers of the day."""
        self._open = bool(self._rows()) and not self._open
        self._draw()

    def action_refresh(self) -> None:
        self._asked_at_ms = None
        super().action_refresh()
        self.state_changed(polled=False)

    def action_back(self) -> None:
        if self._open:
            self.action_open()
        else:
            self.app.pop_screen()

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(Context.DAYS, read_only=self.state.is_read_only(), keymap=self.state.keymap))


def _name_cells(by_server: bool) -> int:
    return 16 if by_server else 8

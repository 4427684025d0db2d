"""The description of the cell under the gap view's cursor: states, timeline of the worst gap, what was recovered.

A recovered amount is shown as a share of its day; the days are fetched for that, each once.
"""

from collections.abc import Callable
from datetime import date
from textwrap import wrap

from streamusage.api.daily import DailyStatistics
from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import WORST_FIRST
from tui.app.state import ConsoleState
from tui.model.daily.day_shares import DayShares
from tui.model.gaps.coverage_book import CoverageBook
from tui.model.gaps.grid import describe_cell
from tui.model.text import sanitize
from tui.widgets.gap_grid import GapGridView
from tui.widgets.gap_lines import Lines, delta_lines, fit_description, legend_lines, timeline_lines, wrap_states
from tui.widgets.lines import Part

_CANNOT_SHOW = (
    "is a plain Stream Manager: it does not report which server reported when, so live, backfilled and missing time "
    "cannot be distinguished. An agent with our usage service keeps that account."
)


class CellDescriber:
    """Describes a cell. `fetch_day` is called for a server's day that is needed and not known."""

    def __init__(self, fetch_day: Callable[[str, date], None]) -> None:
        self._fetch_day = fetch_day
        self._shares = DayShares()

    def add_day(self, server: str, day: date, statistics: DailyStatistics | None) -> None:
        """Add a server's day."""
        self._shares.add_day(server, day, statistics)

    def forget_today(self, now_ms: int, state: ConsoleState) -> None:
        """Forget the days whose figures still grow, so that they are fetched again."""
        self._shares.expire_day(now_ms, state.tz)

    def lines(
        self,
        state: ConsoleState,
        view: GapGridView,
        book: CoverageBook,
        notice: Part | None,
        lines: int,
        *,
        of_streams: bool,
    ) -> Lines:
        """Return at most `lines` lines, or why nothing can be shown."""
        if state.cannot_show and not book.servers:
            return _wrapped(f"{state.host} {_CANNOT_SHOW}", "warn", view.size.width, lines)
        if state.failure and not (state.parts and book.servers):
            return _wrapped(state.failure, "bad", view.size.width, lines)
        now_ms = book.now_ms or state.now_ms()
        states = self._states(state, view, now_ms, of_streams=of_streams)
        blocks = [] if of_streams else _timeline(state, view, book, now_ms)
        return fit_description(wrap_states(states, view.size.width, lines), notice, blocks, legend_lines(), lines)

    def _states(
        self, state: ConsoleState, view: GapGridView, now_ms: int, *, of_streams: bool
    ) -> list[tuple[str, CoverageSpan | None]]:
        made, row = view.grid, view.gap_row
        if made is None or row is None:
            return []
        states = describe_cell(made, view.row, view.cell, state.tz, now_ms)
        if of_streams:
            return states
        return [
            (text + (self._share(state, row.name, span) if span is not None and span.delta is not None else ""), span)
            for text, span in states
        ]

    def _share(self, state: ConsoleState, server: str, span: CoverageSpan) -> str:
        """Return the recovered share of the day's traffic, once the day is known."""
        missing_day = self._shares.missing(server, span, state.tz)
        if missing_day is not None:
            self._fetch_day(*missing_day)
        share = self._shares.share(server, span, state.tz)
        return "" if share is None else f" · {share} of the day"


def _wrapped(text: str, ink: str, cells: int, lines: int) -> Lines:
    return [[(f" {line}", ink)] for line in wrap(sanitize(text), max(20, cells - 2))[:lines]]


def _timeline(state: ConsoleState, view: GapGridView, book: CoverageBook, now_ms: int) -> list[Lines]:
    """Return the timeline of the worst gap in the cell, and what was recovered."""
    gaps, row = view.gaps_here(), view.gap_row
    if not gaps or row is None:
        return []
    server = next((status for status in state.servers or () if status.server == row.name), None)
    gap = min(gaps, key=lambda span: (WORST_FIRST.index(span.state), span.from_ms))
    return [timeline_lines(gap, server, book.outages.get(row.name, ()), state.tz, now_ms), delta_lines(gap, state.tz)]

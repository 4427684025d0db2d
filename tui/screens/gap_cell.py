"""What the gap view says of the cell under its cursor: in words, then the story of its worst gap and what that brought.

Asks for the days of which a part of the traffic is to be told, each once.
"""

from collections.abc import Callable
from datetime import date

from streamusage.api.daily import DailyStatistics
from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import WORST_FIRST
from tui.app.state import ConsoleState
from tui.model.daily.day_shares import DayShares
from tui.model.gaps.coverage_book import CoverageBook
from tui.model.gaps.grid import in_words
from tui.model.text import safe
from tui.widgets.gap_foot import Lines, foot, words
from tui.widgets.gap_grid import GapGridView
from tui.widgets.gap_parts import delta_lines, legend_lines, story_lines
from tui.widgets.lines import Part

_CANNOT_SHOW = (
    "is a plain Stream Manager: it does not say which server reported when,",
    "so what was seen live, filled in or is missing cannot be shown. Its figures are",
    "taken as they come. An agent with our usage service keeps that account.",
)


class CellDescriber:
    """Tells of a cell. `ask_for_day` is called for a server's day that has to be known first."""

    def __init__(self, ask_for_day: Callable[[str, date], None]) -> None:
        self._ask_for_day = ask_for_day
        self._shares = DayShares()

    def heard_day(self, server: str, day: date, statistics: DailyStatistics | None) -> None:
        """Takes in a server's day."""
        self._shares.heard(server, day, statistics)

    def time_went_on(self, now_ms: int, state: ConsoleState) -> None:
        """Today's figures grow: they are to be asked for again."""
        self._shares.day_went_on(now_ms, state.tz)

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
        """At most so many lines; why nothing can be shown, where that is so."""
        if state.cannot_show:
            first, *rest = _CANNOT_SHOW
            return [[(f" {safe(state.host)} {first}", "warn")], *([(f" {line}", "warn")] for line in rest)]
        if state.why_failed:
            return [[(f" {safe(state.why_failed)}", "bad")]]
        now_ms = book.now_ms or state.now_ms()
        told = self._told(state, view, now_ms, of_streams=of_streams)
        blocks = [] if of_streams else _story(state, view, book, now_ms)
        return foot(words(told, view.size.width, lines), notice, blocks, legend_lines(), lines)

    def _told(
        self, state: ConsoleState, view: GapGridView, now_ms: int, *, of_streams: bool
    ) -> list[tuple[str, CoverageSpan | None]]:
        made, row = view.grid, view.gap_row
        if made is None or row is None:
            return []
        told = in_words(made, view.row, view.cell, state.tz, now_ms)
        if of_streams:
            return told
        return [
            (text + (self._share(state, row.name, span) if span is not None and span.delta is not None else ""), span)
            for text, span in told
        ]

    def _share(self, state: ConsoleState, server: str, span: CoverageSpan) -> str:
        """What part of its day's traffic a fill brought, once the day is known."""
        wanted = self._shares.missing(server, span, state.tz)
        if wanted is not None:
            self._ask_for_day(*wanted)
        share = self._shares.share(server, span, state.tz)
        return "" if share is None else f" · {share} of the day"


def _story(state: ConsoleState, view: GapGridView, book: CoverageBook, now_ms: int) -> list[Lines]:
    """The story of the worst gap in the cell, and what it brought."""
    gaps, row = view.gaps_here(), view.gap_row
    if not gaps or row is None:
        return []
    server = next((one for one in state.servers or () if one.server == row.name), None)
    gap = min(gaps, key=lambda one: (WORST_FIRST.index(one.state), one.from_ms))
    return [story_lines(gap, server, book.outages.get(row.name, ()), state.tz, now_ms), delta_lines(gap, state.tz)]

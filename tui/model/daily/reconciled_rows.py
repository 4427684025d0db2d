"""Rows of the daily statistics with the marks of the comparisons that are kept. It computes again only what changed."""

from collections.abc import Iterable, Sequence
from datetime import date, tzinfo
from textwrap import wrap

import msgspec

from tui.model.daily.day_shares import accounting_zone
from tui.model.daily.months import DailyTotals
from tui.model.daily.reconciled import KeptResults, ReconciledBook
from tui.model.daily.reconciled_page import reconciled_page
from tui.model.text import sanitize


class ReconciledRows:
    """The kept comparisons of a view with a time zone."""

    def __init__(self) -> None:
        self._kept = KeptResults()
        self._book = ReconciledBook(self._kept, "")
        self._marked: tuple[object, ReconciledBook, Sequence[DailyTotals]] = (None, self._book, ())
        """Marked rows, and what they are made of."""

    def is_new(self, kept: KeptResults) -> bool:
        """Return whether these results are other ones."""
        return kept != self._kept

    def update(self, kept: KeptResults, tz: tzinfo | None) -> bool:
        """Use other results. Returns whether a file cannot be used that could be before.

        Many results take longer than a key may wait: call it in a thread.
        """
        has_new_problem = bool(set(kept.problems) - set(self._kept.problems))
        self._kept, self._book = kept, ReconciledBook(kept, accounting_zone(tz).key)
        return has_new_problem

    def marked(self, source: object, rows: Iterable[tuple[date, str, DailyTotals]]) -> Sequence[DailyTotals]:
        """Return rows with their marks. Each has its day, and its name for comparisons; all are of a `source`."""
        if not self._book:
            return [row for _, _, row in rows]
        if self._marked[0] is not source or self._marked[1] is not self._book:
            marked = [
                msgspec.structs.replace(row, reconciled=self._book.mark(day, name, row)) for day, name, row in rows
            ]
            self._marked = source, self._book, marked
        return self._marked[2]

    def describe(self, day: date, name: str, row: DailyTotals, now_ms: int, tz: tzinfo | None) -> Sequence[str]:
        """Return the parts of a line about the worst result of a row; nothing without any."""
        return self._book.describe(day, name, row, now_ms, tz)

    def page(self, day: date, name: str, row: DailyTotals, cells: int, tz: tzinfo | None) -> list[str]:
        """Return the page of a row with the files that cannot be used; no line without any of them."""
        lines = self.problems(cells)
        if results := self._book.results(day, name):
            title = f"{name or 'Day'} {day:%A %d %B %Y}, {accounting_zone(tz).key}, compared with outside accounts"
            return [*reconciled_page(title, results, name, row, cells, tz), *([""] if lines else []), *lines]
        return lines

    def problems(self, cells: int) -> list[str]:
        """Return why files cannot be used, in lines of at most `cells` cells that are safe to draw."""
        return [
            line for problem in self._kept.problems for line in wrap(sanitize(problem), cells, subsequent_indent="  ")
        ]

"""The part of the days view that lists streams, scopes or customers: what it shows, reads, and where its cursor is."""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from streamusage.api.daily import SumGroup
from tui.app.messages.views import GroupsPolled
from tui.app.ports import Console
from tui.model import formats
from tui.model.daily.day_shares import accounting_zone
from tui.model.daily.group_page import group_page
from tui.model.daily.group_reading import GroupReading
from tui.model.daily.groups import GroupRequest, GroupRows
from tui.model.daily.months import DailyTotals
from tui.model.text import sanitize
from tui.widgets.day_lines import group_lines
from tui.widgets.lines import Part

_LEAST_NAME_CELLS = 16
_MOST_NAME_CELLS = 28
"""Beside the columns that matter most in 80 columns; a wider screen has more."""
_WIDE_NAME_SHARE = 5


class ShownDays(NamedTuple):
    """The days that are shown: a month, or a day of it."""

    first: date
    """The first day of the month."""
    opened: date | None
    """`None` for the month."""

    def request(self, group: SumGroup) -> GroupRequest:
        """Return the request for these days."""
        if self.opened is None:
            return GroupRequest.of_month(group, self.first)
        return GroupRequest.of_day(group, self.opened)


class GroupedDays:
    """What the days view shows by group of streams. `port` returns the console, once the view is part of it."""

    def __init__(self, port: Callable[[], Console]) -> None:
        self._port = port
        self._reading = GroupReading()
        self._rows: GroupRows | None = None
        """The rows that are shown, in their order and as the filter selects them."""
        self._place = 0
        self.filter = ""
        self._most_traffic_first = False

    # What is shown

    @property
    def rows(self) -> GroupRows | None:
        """The rows; `None` where servers are shown."""
        return self._rows

    @property
    def group(self) -> SumGroup | None:
        """The group that is shown or read; `None` for servers."""
        return self._reading.group

    @property
    def wanted(self) -> GroupRequest | None:
        """What is being read and not answered yet; what is shown meanwhile is older."""
        return self._reading.wanted

    @property
    def failure(self) -> str:
        """Why the last request failed; empty where it did not."""
        return self._reading.failure

    @property
    def cursor(self) -> int:
        """The row under the cursor."""
        return min(self._place, max(0, len(self._rows or ()) - 1))

    def move_to(self, place: int) -> None:
        """Move the cursor."""
        self._place = place

    def name_cells(self, width: int) -> int:
        """Return the width of the names on a screen of this width."""
        most = max(_MOST_NAME_CELLS, width // _WIDE_NAME_SHARE)
        return min(max(_LEAST_NAME_CELLS, (self._rows.name_cells if self._rows else 0) + 2), most)

    # What is read

    def show(self, group: SumGroup | None, days: ShownDays) -> None:
        """Show a group of these days, and read it first where it is not known; `None` shows servers."""
        self._port().fetcher.abandon_groups()
        if group is None:
            self._reading.show_servers()
        elif self._reading.begin(request := days.request(group), self._elapsed_ms()):
            self._port().fetcher.fetch_groups(request)
        self._arrange()

    def show_next(self, steps: int, days: ShownDays) -> None:
        """Show the group after the present one, or the one before."""
        self.show(self._reading.next_group(steps), days)

    def abandon(self) -> bool:
        """Abandon what is being read. Returns whether something was."""
        self._port().fetcher.abandon_groups()
        return self._reading.abandon()

    def receive(self, polled: GroupsPolled) -> bool:
        """Show an answer, or why there is none. Returns whether it changes what is shown."""
        is_new = self._reading.receive(polled.request, polled.rows, self._elapsed_ms())
        if is_new:
            self._arrange()
        return is_new

    def refresh(self, *, at_once: bool = False) -> None:
        """Read again what is shown, if it is old or `at_once`."""
        if at_once:
            self._reading.expire(self._elapsed_ms())
        if (request := self._reading.due(self._elapsed_ms())) is not None:
            self._port().fetcher.fetch_groups(request)

    def _elapsed_ms(self) -> int:
        return self._port().state.clock.elapsed_ms()

    # Filter and order

    def select(self, text: str) -> None:
        """Show only rows whose name contains a text."""
        self.filter = text
        self._arrange()

    def change_order(self) -> str:
        """Order by name, or the most outgoing traffic first. Returns the order as text."""
        self._most_traffic_first = not self._most_traffic_first
        self._arrange()
        return "most traffic out first" if self._most_traffic_first else "by name"

    def _arrange(self) -> None:
        """Take the rows over from what was read. The cursor stays at its row, or begins at the top."""
        known, before = self._reading.shown, self._rows
        name = before[self.cursor].name if before else None
        if known is None or before is None or known.request.group != before.request.group:
            name = None
        self._rows = known and known.arranged(self.filter, most_traffic_first=self._most_traffic_first)
        place = None if name is None or self._rows is None else self._rows.place_of(name)
        self._place = place if place is not None else 0 if name is None else self._place

    # Drawing

    def summary(self) -> list[Part]:
        """Return the line above the rows: days, group, how many there are."""
        rows = self._rows
        if rows is None:
            return []
        zone = accounting_zone(self._port().state.tz).key
        parts: list[Part] = [
            (f" {rows.request.period}", "strong"),
            (f"  by {rows.request.group}, {'a day' if rows.request.by == 'day' else 'days'} of {zone}", "quiet"),
            (f"   {formats.count(rows.group_count)}", "strong"),
            (f" {rows.request.group if rows.group_count == 1 else rows.request.plural}", "quiet"),
        ]
        if self.filter:
            parts.append((f"   /{sanitize(self.filter)}: {formats.count(len(rows))} rows", "accent"))
        return parts

    def progress(self) -> list[Part]:
        """Return what is being read, since when, and how to abandon it."""
        wanted = self._reading.wanted
        if wanted is None:
            return []
        waited = formats.duration(self._reading.waited_ms(self._elapsed_ms()))
        what = wanted.plural if self._is_of_shown_days(wanted) else f"{wanted.plural} of {wanted.period}"
        return [(f"   reading {what} … {waited}", "warn"), ("  esc: abandon", "quiet")]

    def _is_of_shown_days(self, wanted: GroupRequest) -> bool:
        return self._rows is None or wanted[1:] == self._rows.request[1:]

    def describe(self, row: DailyTotals | None) -> list[list[Part]]:
        """Describe the row under the cursor; `None` without any. A list without groups says why."""
        rows, state = self._rows, self._port().state
        if rows is None:
            return []
        lines: list[list[Part]] = [[(f" {why}", "warn")]] if (why := rows.why_no_groups) else []
        if row is not None:
            return [*lines, *group_lines(row, rows.request, state.now_ms(), state.tz)]
        return lines if not self.filter else [*lines, [(" no name contains the text of the filter", "quiet")]]

    def page(self, cells: int) -> list[str]:
        """Return the page of the row under the cursor, in lines of at most `cells` cells; no line without a row."""
        state = self._port().state
        if not self._rows:
            return []
        return group_page(self._rows[self.cursor], self._rows.request, cells, state.now_ms(), state.tz)

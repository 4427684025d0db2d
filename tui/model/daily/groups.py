"""Daily statistics by stream, scope or customer, as rows of the days view. Pure.

A month may have thousands of rows. What all of them decide, such as the order, is computed once, away from the event
loop; each row is put together when it is drawn.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from datetime import date
from typing import Literal, NamedTuple, Self, overload

import msgspec

from streamusage.api.daily import SumGroup, SummedStatistics
from streamusage.core.figures import NO_CUSTOMER, NOT_BY_STREAM
from tui.model.daily.months import DailyTotals, last_of, row_of_service, summed
from tui.model.services.servers import qualified_name
from tui.model.text import sanitize, width

_PLURALS: dict[SumGroup, str] = {"stream": "streams", "scope": "scopes", "customer": "customers"}
_WITHOUT_GROUPS = "no figures by stream in these days: agents of this version report them"
_WITHOUT_CUSTOMERS = "no customers in these days: start the service with --customers FILE, docs/customers.md"


class GroupRequest(NamedTuple):
    """The sums of a group of streams over a day or a month."""

    group: SumGroup
    """One of `STREAM_GROUPS`."""
    first: date
    last: date

    @classmethod
    def of_month(cls, group: SumGroup, first: date) -> Self:
        """Return the request for the month that begins on `first`."""
        return cls(group, first, last_of(first))

    @classmethod
    def of_day(cls, group: SumGroup, day: date) -> Self:
        """Return the request for a day."""
        return cls(group, day, day)

    @property
    def by(self) -> Literal["day", "month"]:
        """The period of a row."""
        return "day" if self.first == self.last else "month"

    @property
    def plural(self) -> str:
        """What is listed: `customers`."""
        return _PLURALS[self.group]

    @property
    def period(self) -> str:
        """The period as text: `November 2026`, `Saturday 21 November 2026`."""
        return f"{self.first:%A %d %B %Y}" if self.by == "day" else f"{self.first:%B %Y}"


class ServiceSum(NamedTuple):
    """A sum of a service."""

    service: str
    """Empty where there is one service."""
    row: SummedStatistics


class GroupRows(Sequence[DailyTotals]):
    """The rows of a request: groups by name, then those of no customer, then what is not by stream."""

    def __init__(
        self,
        request: GroupRequest,
        sums: Iterable[ServiceSum],
        total: DailyTotals | None,
        *,
        failures: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
    ) -> None:
        self.request = request
        self.total = total
        """The sum over all servers, to which the rows add up."""
        self.failures = failures or {}
        """Of several services, those whose newest request failed, and why."""
        self.without = without
        """Of several services, those without figures."""
        self.sums = sorted(sums, key=lambda item: self._remainder(item.row))
        self._names = [_name(item) for item in self.sums]
        self._groups = sum(not self._remainder(item.row) for item in self.sums)
        self._folded = [name.casefold() for name in self._names]
        self._shown: Sequence[int] = range(len(self.sums))
        self._by_traffic = sorted(range(self._groups), key=lambda number: -self.sums[number].row.bytes_out)
        self.name_cells = max((width(sanitize(name)) for name in self._names), default=0)
        """Width of the longest name."""
        self.examples = self._find_examples()
        """Rows to which every column applies that applies to any row."""

    def __len__(self) -> int:
        return len(self._shown)

    @overload
    def __getitem__(self, at: int) -> DailyTotals: ...
    @overload
    def __getitem__(self, at: slice) -> list[DailyTotals]: ...
    def __getitem__(self, at: int | slice) -> DailyTotals | list[DailyTotals]:
        if isinstance(at, slice):
            return [self._row(number) for number in self._shown[at]]
        return self._row(self._shown[at])

    @property
    def why_no_groups(self) -> str:
        """Why no group is listed; empty where one is."""
        if self._groups:
            return ""
        if self.request.group == "customer" and any(item.row.group == NO_CUSTOMER for item in self.sums):
            return _WITHOUT_CUSTOMERS
        return _WITHOUT_GROUPS

    @property
    def group_count(self) -> int:
        """How many groups there are, shown or not."""
        return self._groups

    def place_of(self, name: str) -> int | None:
        """Return the place of the row with a name; `None` where it is not shown."""
        try:
            return self._shown.index(self._names.index(name))
        except ValueError:
            return None

    def arranged(self, wanted: str = "", *, most_traffic_first: bool = False) -> Self:
        """Return the rows whose name contains a text, by name or by outgoing traffic. Remainders are the last."""
        arranged, text = copy(self), wanted.casefold().strip()
        numbers: Sequence[int] = range(len(self.sums))
        if most_traffic_first:
            numbers = [*self._by_traffic, *range(self._groups, len(self.sums))]
        if text:
            numbers = [number for number in numbers if text in self._folded[number]]
        arranged._shown = numbers
        return arranged

    def _row(self, number: int) -> DailyTotals:
        service, row = self.sums[number]
        totals = summed(row.group, row)
        if number >= self._groups:
            totals = msgspec.structs.replace(totals, is_remainder=True)
        return row_of_service(totals, service) if service else totals

    def _remainder(self, row: SummedStatistics) -> int:
        """Return 0 for a group, 1 for `no customer`, 2 for what is not by stream: a scope may have that name."""
        if not row.traffic and row.group == NOT_BY_STREAM:
            return 2
        return int(self.request.group == "customer" and row.group == NO_CUSTOMER)

    def _find_examples(self) -> list[DailyTotals]:
        found = {0} if self.sums else set[int]()
        for is_example in (_has_voids, _is_adjusted):
            found.update(next(([number] for number, item in enumerate(self.sums) if is_example(item.row)), []))
        return [self._row(number) for number in sorted(found)]


def rows_of_groups(
    request: GroupRequest, sums: Sequence[SummedStatistics], whole: Sequence[SummedStatistics]
) -> GroupRows:
    """Return the rows of one service, from its sums by group and its sum over all servers."""
    total = next((summed(request.by, row) for row in whole), None)
    return GroupRows(request, [ServiceSum("", row) for row in sums], total)


def _name(item: ServiceSum) -> str:
    return qualified_name(item.service, item.row.group) if item.service else item.row.group


def _has_voids(row: SummedStatistics) -> bool:
    return bool(row.voids)


def _is_adjusted(row: SummedStatistics) -> bool:
    return row.adjustment is not None

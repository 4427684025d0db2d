"""An outside account: the entries of its files added up by group and by five minutes or day. Pure; times are UTC ms."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamusage.core.coverage import Interval
from streamusage.core.days import day_of
from tui.reconcile.entries import Basis, Entry, Grouping, Measure
from tui.reconcile.errors import AccountError
from tui.reconcile.hour_profiles import QUARTER_MS
from tui.reconcile.repeated_lines import HOUR_MS, RepeatedLines

SLOT_MS = 300_000
"""Sums are kept by five minutes: days of every zone begin at such a time."""

DayKey = tuple[date, str]
"""A day, and the name of a group; the name is empty for the total."""


class AccountSum:
    """The sum of some entries. Figures are in bytes, milliseconds or connections."""

    __slots__ = ("error_lines", "error_value", "head_lines", "head_value", "lines", "squares", "value")

    def __init__(self) -> None:
        self.lines = 0
        self.value = 0
        self.head_lines = 0
        self.head_value = 0
        self.error_lines = 0
        self.error_value = 0
        self.squares = 0
        """Sum of the squared figures of the lines, from which the error of a sample follows."""

    def add(self, other: "AccountSum") -> None:
        """Add another sum."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class DayBounds(NamedTuple):
    """By how much the figure of a day may be lower and higher, because connections cross its ends."""

    lower: int = 0
    higher: int = 0


class OutsideAccount:
    """The figures of an outside account. Entries are added in the order of each file's lines."""

    def __init__(self, measure: Measure, grouping: Grouping, tz: ZoneInfo) -> None:
        """`tz` is the zone of the days that are compared."""
        self.measure = measure
        self.grouping = grouping
        self._tz = tz
        self._figure = attrgetter(measure.value)
        self._slots: dict[str, dict[int, AccountSum]] = {}
        self._days: dict[DayKey, AccountSum] = {}
        self._day_of_slot: dict[int, date] = {}
        self._crossing: dict[DayKey, DayBounds] = {}
        self.lines_by_hour: Counter[int] = Counter()
        """Lines by the hour in which they were written."""
        self.bases: set[Basis] = set()
        self.bodiless_lines = 0
        self.bodiless_value = 0
        """Bytes of responses without a body: those of their headers."""
        self.whole_connections = 0
        """Bytes of connections of which other lines have the media."""
        self.rounded_to: int | None = None
        """The smallest step to which its figures are rounded; None without a line."""
        self.repeated = RepeatedLines()

    @property
    def has_lines(self) -> bool:
        """Whether it has lines with a time, as a log has."""
        return bool(self._slots)

    def refuse_without_groups(self) -> None:
        """Raise `AccountError` if no line names a stream, scope or customer by which figures are compared."""
        groups = {*self._slots, *(group for _, group in self._days)}
        if self.grouping.is_of_streams and groups <= {*self.grouping.undivided}:
            by = self.grouping.value
            raise AccountError(f"no line names a {by}; give --column {by}=NAME for a CSV, or another --by")

    @property
    def has_day_sums(self) -> bool:
        """Whether it has sums of days, as an invoice has."""
        return bool(self._days)

    def add(self, entry: Entry, line_hash: int) -> None:
        """Add an entry and the hash of its line. Raises `AccountError` if it lacks the figure or the group."""
        value = self._figure(entry)
        if value is None:
            raise AccountError(f"it has no {self.measure.value}; give another --figure, or --column for a CSV")
        if entry.kind == "whole connection":
            self.whole_connections += value
            return
        group = entry.group_of(self.grouping)
        step = entry.view_time_step_ms if self.measure is Measure.VIEW_TIME and entry.day is None else 0
        step = step or entry.rounded_to
        self.rounded_to = step if self.rounded_to is None else min(self.rounded_to, step)
        if entry.day is not None:
            _count(self._days.setdefault((entry.day, group), AccountSum()), entry, value, value)
            return
        self.lines_by_hour[entry.at // HOUR_MS * HOUR_MS] += 1
        self.repeated.add(entry.at, line_hash, (self._day(entry.at), group), value)
        if entry.is_bodiless:
            self.bodiless_lines += 1
            self.bodiless_value += value
        slots = self._slots.get(group)
        if slots is None:
            slots = self._slots[group] = defaultdict(AccountSum)
        if not entry.duration_ms:
            _count(slots[entry.at // SLOT_MS * SLOT_MS], entry, value, value)
        elif self.measure is Measure.CONNECTIONS:
            _count(slots[(entry.at - entry.duration_ms) // SLOT_MS * SLOT_MS], entry, value, value)
        else:
            self._add_spread(slots, entry, group, value)

    def _add_spread(self, slots: dict[int, AccountSum], entry: Entry, group: str, value: int) -> None:
        """Add a connection to the slots of its duration, in proportion to time."""
        from_ms = entry.at - entry.duration_ms
        by_day: Counter[date] = Counter()
        for slot, share in spread(value, from_ms, entry.at):
            by_day[self._day(slot)] += share
            slots[slot].value += share
        last = slots[entry.at // SLOT_MS * SLOT_MS]
        _count(last, entry, 0, value)
        if len(by_day) > 1 and self.measure is not Measure.VIEW_TIME:
            for day, share in by_day.items():
                before = self._crossing.get((day, group), DayBounds())
                self._crossing[day, group] = DayBounds(before.lower + share, before.higher + value - share)

    def _day(self, at: int) -> date:
        slot = at // SLOT_MS * SLOT_MS
        day = self._day_of_slot.get(slot)
        if day is None:
            day = self._day_of_slot[slot] = day_of(slot, self._tz)
        return day

    def by_day(self, shift_ms: int = 0) -> Mapping[DayKey, AccountSum]:
        """Return the sums by day and group, as if all lines were that much later. Sums of days stay where they are."""
        sums: dict[DayKey, AccountSum] = {}
        for group, slots in self._slots.items():
            for slot, found in slots.items():
                sums.setdefault((self._day(slot + shift_ms), group), AccountSum()).add(found)
        for key, found in self._days.items():
            sums.setdefault(key, AccountSum()).add(found)
        return sums

    def slots_of(self, group: str, from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
        """Yield the slots of a group that overlap the interval `[from_ms, to_ms)`, and their figures, oldest first."""
        slots = self._slots.get(group, {})
        for slot in range(from_ms // SLOT_MS * SLOT_MS, to_ms, SLOT_MS):
            found = slots.get(slot)
            if found is not None:
                yield slot, found.value

    def by_quarter(self) -> Mapping[int, int]:
        """Return the figures of all lines by quarter of an hour."""
        quarters: Counter[int] = Counter()
        for slots in self._slots.values():
            for slot, found in slots.items():
                quarters[slot // QUARTER_MS * QUARTER_MS] += found.value
        return quarters

    def by_hour(self, group: str) -> Mapping[int, int]:
        """Return the figures of a group by hour, without hours in which it has no line."""
        hours: Counter[int] = Counter()
        for slot, found in self._slots.get(group, {}).items():
            hours[slot // HOUR_MS * HOUR_MS] += found.value
        return hours

    @property
    def line_span(self) -> Interval | None:
        """From the hour of the first to the end of the hour of the last line; None without lines."""
        if not self.lines_by_hour:
            return None
        return Interval(min(self.lines_by_hour), max(self.lines_by_hour) + HOUR_MS)

    def bounds(self, day: date, group: str) -> DayBounds:
        """Return by how much a day's figure may differ because the course of long connections is unknown."""
        return self._crossing.get((day, group), DayBounds())

    @property
    def media_value(self) -> int:
        """The sum of all figures of its lines."""
        return sum(found.value for slots in self._slots.values() for found in slots.values())


def _count(target: AccountSum, entry: Entry, share: int, value: int) -> None:
    """Add a line and its figure, of which `share` is added here."""
    target.lines += 1
    target.value += share
    target.squares += value * value
    if entry.kind == "HEAD":
        target.head_lines += 1
        target.head_value += value
    elif entry.kind == "error":
        target.error_lines += 1
        target.error_value += value


def spread(total: int, from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    """Distribute a whole number over the slots of an interval in proportion to time; yield (slot, share).

    The shares are whole numbers that add up to `total` exactly.
    """
    length_ms = to_ms - from_ms
    slot = from_ms // SLOT_MS * SLOT_MS
    distributed = 0
    while slot < to_ms or slot == from_ms:
        until = min(slot + SLOT_MS, to_ms)
        due = total if until >= to_ms else total * (until - from_ms) // length_ms
        yield slot, due - distributed
        distributed = due
        slot += SLOT_MS

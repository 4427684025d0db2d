"""Lines that an account has more than once: a doubled hour, overlapping files. Pure; all times are UTC milliseconds.

A line is compared with the lines of its minute by a hash of 64 bits. In a log with whole seconds two equal requests of
one client are equal lines, too: so only minutes in which nearly every line is repeated prove that lines were copied.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

MINUTE_MS = 60_000
HOUR_MS = 3_600_000

DOUBLED_SHARE = 0.9
"""Share of a minute's different lines that are repeated, from which on the minute was copied."""
LEAST_REPEATED = 10
"""So many repeated lines in an hour prove that they were copied."""


class RepeatedSum(NamedTuple):
    """The lines of an hour that were read before, of one group."""

    hour: int
    group: Hashable
    lines: int
    value: int
    is_copied: bool
    """Whether they were certainly copied; else equal requests may be equal lines."""


class _Minute:
    __slots__ = ("groups", "hashes", "values")

    def __init__(self) -> None:
        self.hashes = array("q")
        self.groups = array("L")
        self.values = array("q")


class RepeatedLines:
    """Lines of all files of an account, added in any order."""

    def __init__(self) -> None:
        self._minutes: dict[int, _Minute] = defaultdict(_Minute)
        self._groups: dict[Hashable, int] = {}

    def add(self, at: int, line_hash: int, group: Hashable, value: int) -> None:
        """Add a line: its time, the hash of its bytes, what it belongs to, and its figure."""
        minute = self._minutes[at // MINUTE_MS]
        minute.hashes.append(line_hash)
        minute.groups.append(self._groups.setdefault(group, len(self._groups)))
        minute.values.append(value)

    def sums(self) -> Sequence[RepeatedSum]:
        """Return the repeated lines by hour and group, in the order of time."""
        groups = list(self._groups)
        hours: dict[int, list[tuple[Counter[int], Counter[int], bool]]] = defaultdict(list)
        for number, minute in sorted(self._minutes.items()):
            if len(set(minute.hashes)) < len(minute.hashes):
                hours[number * MINUTE_MS // HOUR_MS * HOUR_MS].append(_count(minute))
        return [found for hour, minutes in hours.items() for found in _sum_hour(hour, minutes, groups)]


def _count(minute: _Minute) -> tuple[Counter[int], Counter[int], bool]:
    """Return the repeated lines and their figures by group, and whether nearly every line is repeated."""
    seen: Counter[int] = Counter()
    lines: Counter[int] = Counter()
    values: Counter[int] = Counter()
    for line_hash, group, value in zip(minute.hashes, minute.groups, minute.values, strict=True):
        if seen[line_hash]:
            lines[group] += 1
            values[group] += value
        seen[line_hash] += 1
    repeated = sum(count > 1 for count in seen.values())
    return lines, values, repeated >= DOUBLED_SHARE * len(seen)


def _sum_hour(
    hour: int, minutes: Sequence[tuple[Counter[int], Counter[int], bool]], groups: Sequence[Hashable]
) -> Iterator[RepeatedSum]:
    copied_lines = sum(lines.total() for lines, _, is_doubled in minutes if is_doubled)
    for is_copied in (True, False):
        lines: Counter[int] = Counter()
        values: Counter[int] = Counter()
        for minute_lines, minute_values, is_doubled in minutes:
            if (is_doubled and copied_lines >= LEAST_REPEATED) == is_copied:
                lines += minute_lines
                values.update(minute_values)
        for group in sorted(lines, key=lambda place: str(groups[place])):
            yield RepeatedSum(hour, groups[group], lines[group], values[group], is_copied)

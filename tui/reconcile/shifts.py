"""The shift of a log's clock with which its days agree with the service's. Pure; times are UTC milliseconds."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamusage.core.coverage import Interval
from streamusage.core.days import day_interval
from tui.reconcile.account import SLOT_MS, DayKey, OutsideAccount
from tui.reconcile.compared_rows import ComparedRow
from tui.reconcile.hour_profiles import LONGEST_SHIFT_MS, QUARTER_MS
from tui.reconcile.repeated_lines import HOUR_MS

REMAINING_SHARE = Fraction(1, 4)
"""A shift is suspected if it leaves at most this share of what is unexplained."""
AGREEMENT = Fraction(1, 100)
"""Every day that the shifted log covers agrees to this share."""
NEARLY = 2
"""Shifts are similar if one leaves at most so many times as much as the other."""
LEAST_DAYS = 2
LEAST_DAYS_WITH_RATIO = 4
"""A ratio that is found together with a shift needs more days."""

Moved = Mapping[DayKey, Mapping[int, int]]
"""By how much each shift changes the account's figure of each row."""


class FoundShift(NamedTuple):
    """A shift, to be added to the times of the log, and the ratio of the shifted account to the service."""

    shift_ms: int
    ratio: Fraction
    """One, unless no shift alone makes the days agree."""


def moved_by_shifts(account: OutsideAccount, rows: Sequence[ComparedRow], tz: ZoneInfo, sampled: int) -> Moved:
    """Return by how much each shift changes the account's figures."""
    found = {}
    for row in rows:
        into, out_of = (_moved_over(account, row.group, end) for end in day_interval(row.key[0], tz))
        found[row.key] = {shift: sampled * (into[shift] - out_of[shift]) for shift in into}
    return found


def _moved_over(account: OutsideAccount, group: str, boundary: int) -> dict[int, int]:
    """Return what each shift moves over an instant to later times; below zero, to earlier ones."""
    moved = {0: 0}
    before = dict(account.slots_of(group, boundary - LONGEST_SHIFT_MS, boundary))
    after = dict(account.slots_of(group, boundary, boundary + LONGEST_SHIFT_MS))
    forward = backward = 0
    for shift in range(QUARTER_MS, LONGEST_SHIFT_MS + 1, QUARTER_MS):
        for part in range(SLOT_MS, QUARTER_MS + 1, SLOT_MS):
            forward += before.get(boundary - shift + QUARTER_MS - part, 0)
            backward += after.get(boundary + shift - part, 0)
        moved[shift], moved[-shift] = forward, -backward
    return moved


def find_shift(rows: Sequence[ComparedRow], moved: Moved, span: Interval, tz: ZoneInfo) -> FoundShift | None:
    """Return the shift that leaves least unexplained on the days that the shifted log covers.

    Of shifts that leave nearly as little, whole hours are more probable, then shorter ones. If none makes the days
    agree, a ratio is fitted together with the shift. `span` is the time of the log's lines.
    """
    for fits_ratio in (False, True):
        judged = []
        for shift in range(-LONGEST_SHIFT_MS, LONGEST_SHIFT_MS + 1, QUARTER_MS):
            covered = [row for row in rows if shift and row.service and is_covered(row, span, shift, tz)]
            found = _judge(covered, moved, shift, fits_ratio=fits_ratio)
            judged += [] if found is None else [found]
        if judged:
            least = min(remaining for remaining, _ in judged)
            similar = [item for item in judged if item[0] <= NEARLY * least]
            return min(similar, key=_improbability)[1]
    return None


def _improbability(judged: tuple[Fraction, FoundShift]) -> tuple[bool, Fraction, int, int]:
    remaining, found = judged
    return found.shift_ms % HOUR_MS != 0, remaining, abs(found.shift_ms), found.shift_ms


def _judge(
    covered: Sequence[ComparedRow], moved: Moved, shift: int, *, fits_ratio: bool
) -> tuple[Fraction, FoundShift] | None:
    """Return which share of the unexplained a shift leaves; None if that is much, or a day does not agree."""
    if len(covered) < (LEAST_DAYS_WITH_RATIO if fits_ratio else LEAST_DAYS) or all(row.is_within for row in covered):
        return None
    ratios = [_ratio(covered, moved, offset) if fits_ratio else Fraction(1) for offset in (0, shift)]
    before = sum(_distance(row, 0, ratios[0]) for row in covered)
    distances = [_distance(row, moved[row.key][shift], ratios[1]) for row in covered]
    agrees = all(found <= AGREEMENT * (row.service or 0) for found, row in zip(distances, covered, strict=True))
    if not agrees or not before or sum(distances) > before * REMAINING_SHARE:
        return None
    return Fraction(sum(distances)) / before, FoundShift(shift, ratios[1])


def _ratio(covered: Sequence[ComparedRow], moved: Moved, shift: int) -> Fraction:
    accounts = sum((row.account or 0) + moved[row.key][shift] for row in covered)
    return Fraction(accounts, sum(row.service or 0 for row in covered))


def _distance(row: ComparedRow, moved: int, ratio: Fraction) -> Fraction:
    """Return how far a row's difference is from what its causes explain, if the service's figure were scaled."""
    difference = (row.account or 0) + moved - ratio * (row.service or 0)
    return max(Fraction(0), difference - row.bounds.high, row.bounds.low - difference)


def is_covered(row: ComparedRow, span: Interval, shift: int, tz: ZoneInfo) -> bool:
    """Return whether the log has the whole day of a row after a shift."""
    day = day_interval(row.key[0], tz)
    return span.from_ms + max(0, shift) <= day.from_ms and day.to_ms <= span.to_ms + min(0, shift)

"""Causes that the differences themselves suggest: a shifted clock, a constant ratio. Pure.

A suspicion explains nothing until the operator confirms it with an option: a difference is no evidence about its own
cause. Each states the amount that it would explain in every row.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import isqrt
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tui.reconcile.account import DayKey, OutsideAccount
from tui.reconcile.compared_rows import ComparedRow
from tui.reconcile.hour_profiles import ProfileShift, find_profile_shift
from tui.reconcile.shifts import Moved, find_shift, is_covered, moved_by_shifts

LEAST_ROWS = 3
"""A ratio is constant only if so many rows have it."""
DEVIATIONS = 4
RATIO_SLACK = Fraction(2, 1000)
"""How far a row may be from the constant ratio, beside the error of a sample: connections cross midnight."""

SAMPLES = (2, 3, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1000, 1024, 2000, 5000, 10_000)
"""Rates at which servers and networks sample their logs."""
UNIT_RATIOS = (
    (Fraction(10**9, 2**30), "--unit GiB in place of GB"),
    (Fraction(2**30, 10**9), "--unit GB in place of GiB"),
    (Fraction(10**6, 2**20), "--unit MiB in place of MB"),
    (Fraction(2**20, 10**6), "--unit MB in place of MiB"),
    (Fraction(10**12, 2**40), "--unit TiB in place of TB"),
    (Fraction(2**40, 10**12), "--unit TB in place of TiB"),
    (Fraction(8), "the account counts bits"),
    (Fraction(1, 8), "the account is of bytes, and was read as bits"),
    (Fraction(1000), "a unit that is 1000 times smaller"),
    (Fraction(1, 1000), "a unit that is 1000 times larger"),
)
"""Ratios of an account's figure to the true one if its unit is wrong, and what corrects it."""


class Suspicion(NamedTuple):
    """A cause that would explain much of the unexplained differences."""

    cause: str
    text: str
    """What was found, and the option that confirms it."""
    amounts: Mapping[DayKey, int]
    """What it would explain, by row."""


def suspect(
    account: OutsideAccount,
    rows: Sequence[ComparedRow],
    tz: ZoneInfo,
    sampled: int = 1,
    audience: Mapping[int, int] | None = None,
) -> tuple[Suspicion, ...]:
    """Return the suspicions about rows that are not within their tolerance; none if all are.

    `audience` has the subscribers of the service by quarter of an hour, if they are known.
    """
    comparable = [row for row in rows if row.unexplained is not None]
    span = account.line_span
    if all(row.is_within for row in comparable):
        return ()
    if span is None:
        return _suspect_ratio(account, comparable, sampled, {})
    moved = moved_by_shifts(account, comparable, tz, sampled)
    shift = find_shift(comparable, moved, span, tz)
    if shift is None:
        by_hours = find_profile_shift(account.by_quarter(), audience or {})
        if by_hours is None:
            return _suspect_ratio(account, comparable, sampled, {})
        return (_by_hours(by_hours, moved),)
    evidence = "its days then agree"
    if shift.ratio == 1:
        return (_shift_suspicion(shift.shift_ms, evidence, moved),)
    covered = [row for row in comparable if is_covered(row, span, shift.shift_ms, tz)]
    by_row = {row.key: moved[row.key][shift.shift_ms] for row in covered}
    ratios = _suspect_ratio(account, covered, sampled, by_row)
    return (_shift_suspicion(shift.shift_ms, f"{evidence}, but for a ratio", moved), *ratios)


def _by_hours(found: ProfileShift, moved: Moved) -> Suspicion:
    evidence = (
        f"its hours then follow the service's audience (correlation {found.correlation:.2f}, now {found.unshifted:.2f})"
    )
    return _shift_suspicion(found.shift_ms, evidence, moved)


def _shift_suspicion(shift: int, evidence: str, moved: Moved) -> Suspicion:
    return Suspicion(
        "shifted clock",
        f"the log's times are {shift_text(-shift)} of the service's: {evidence}; "
        f"check its zone, and confirm with --log-shift {'+' if shift > 0 else '-'}{_hours(abs(shift))}",
        {key: -by_shift[shift] for key, by_shift in moved.items()},
    )


def _suspect_ratio(
    account: OutsideAccount, rows: Sequence[ComparedRow], sampled: int, moved: Mapping[DayKey, int]
) -> tuple[Suspicion, ...]:
    """Return a ratio of the account to the service that is the same in every row, if there is one.

    `moved` is what a shift of the clock adds to the account's figures.
    """
    figures = [
        (row, (row.account or 0) + moved.get(row.key, 0) - _exact(row), row.service or 0) for row in rows if row.service
    ]
    total = sum(service for _, _, service in figures)
    if len(figures) < LEAST_ROWS or total <= 0:
        return ()
    ratio = Fraction(sum(value for _, value, _ in figures), total)
    if ratio <= 0 or all(row.is_within for row, _, _ in figures):
        return ()
    sums = account.by_day()
    squares = [sums[row.key].squares * sampled * sampled for row, _, _ in figures]
    for (_, value, service), square in zip(figures, squares, strict=True):
        allowed = RATIO_SLACK * service + DEVIATIONS * _deviation(ratio, square)
        if abs(value - ratio * service) > allowed:
            return ()
    error = Fraction(DEVIATIONS * _deviation(ratio, sum(squares)), total)
    by_row = sorted(Fraction(value, service) for _, value, service in figures)
    found = (
        f"the account is {_percent(ratio)} of the service's figures, in {len(figures)} rows from {_percent(by_row[0])} "
        f"to {_percent(by_row[-1])}"
    )
    text = _ratio_text(ratio, error, found, is_log=account.has_lines)
    amounts = {row.key: round(ratio * service) - service for row, _, service in figures}
    return (Suspicion(text[0], text[1], amounts),)


def _exact(row: ComparedRow) -> int:
    return sum(found.amount for found in row.causes if found.low == found.high)


def _deviation(ratio: Fraction, squares: int) -> int:
    """Return the standard deviation of the sum of lines that were kept at random with a probability."""
    return isqrt(int((1 - ratio) * squares)) if ratio < 1 else 0


def _ratio_text(ratio: Fraction, error: Fraction, found: str, *, is_log: bool) -> tuple[str, str]:
    """Return the name of the cause of a ratio, and a sentence."""
    if is_log and ratio < 1:
        sample = min(SAMPLES, key=lambda known: abs(ratio * known - 1))
        if abs(ratio * sample - 1) <= max(Fraction(1, 100), error * sample):
            return "sampling", f"{found}: it is probably a sample of 1 of {sample}; confirm with --sampling 1/{sample}"
        return "missing lines", (
            f"{found}: {_percent(1 - ratio)} of it is missing evenly, which no option explains; request the whole log"
        )
    for unit_ratio, correction in UNIT_RATIOS:
        if not is_log and abs(ratio / unit_ratio - 1) <= Fraction(1, 500):
            return "unit", f"{found}: its unit may be another ({correction})"
    return "constant ratio", f"{found}; check what else it counts"


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):.2f} %"


def shift_text(shift_ms: int) -> str:
    """Return `1h ahead` or `1h30m behind`."""
    return f"{_hours(abs(shift_ms))} {'ahead' if shift_ms > 0 else 'behind'}"


def _hours(length_ms: int) -> str:
    hours, minutes = divmod(length_ms // 60_000, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes else "")

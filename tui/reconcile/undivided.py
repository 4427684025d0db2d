"""What one side has divided among no stream or customer, as a cause of differences in the rows of the same day. Pure.

The service has rows for what is not by stream and for streams of no customer; an account has such a row where its lines
name none. If one side has more of it than the other, the rest of the day may have so much less there: each unit once,
dealt in proportion to what the other causes leave.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import groupby

from streamusage.core.figures import Unit
from tui.reconcile.compared_rows import AmountBounds, ComparedRow, Explained, is_within
from tui.reconcile.entries import Grouping, Measure

_UNITS = {Unit.BYTES: "bytes", Unit.MILLISECONDS: "ms", Unit.COUNT: "connections"}


def explain_by_undivided(
    rows: Sequence[ComparedRow], grouping: Grouping, measure: Measure, tolerance: Fraction
) -> list[ComparedRow]:
    """Return the rows, sorted by day, with what undivided figures explain of each.

    An undivided row is within the tolerance if what is left of it is, as a share of the larger figure of its day. Of
    the other rows, one that only one side has remains so: nothing explains that.
    """
    undivided = grouping.undivided
    if not undivided:
        return list(rows)
    return [
        row
        for _, of_day in groupby(rows, key=lambda row: row.day)
        for row in _explain_day(list(of_day), undivided, _UNITS[measure.unit], tolerance)
    ]


def _explain_day(
    rows: list[ComparedRow], undivided: Sequence[str], unit: str, tolerance: Fraction
) -> Iterator[ComparedRow]:
    divided = [row for row in rows if row.group not in undivided]
    whole = max(sum(row.account or 0 for row in rows), sum(row.service or 0 for row in rows))
    rests = []
    for rest in sorted((row for row in rows if row.group in undivided), key=lambda row: undivided.index(row.group)):
        surplus = _surplus(rest)
        amounts = _deal(surplus, [row.unexplained or 0 for row in divided])
        note = f"{abs(surplus):,} {unit} {'are' if surplus > 0 else 'of the account are'} {_of(rest.group)}"
        divided = [
            _with_cause(row, rest.group, amount, surplus, note, tolerance)
            for row, amount in zip(divided, amounts, strict=True)
        ]
        rests.append(_explained_rest(rest, sum(amounts), tolerance * whole))
    yield from divided
    yield from rests


def _of(group: str) -> str:
    return f"of {group}" if group.startswith("no ") else group


def _surplus(rest: ComparedRow) -> int:
    """Return by how much more the service has than the account, beside what other causes explain."""
    return (rest.service or 0) - (rest.account or 0) if rest.unexplained is None else -rest.unexplained


def _deal(surplus: int, remainders: Sequence[int]) -> list[int]:
    """Return whole amounts of the surplus for remainders of its sign, in proportion to them and at most all of them."""
    sign = 1 if surplus > 0 else -1
    wanted = [max(0, sign * remainder) for remainder in remainders]
    total, available = sum(wanted), min(abs(surplus), sum(wanted))
    amounts, seen, dealt = [], 0, 0
    for value in wanted:
        seen += value
        due = available * seen // total if total else 0
        amounts.append(sign * (due - dealt))
        dealt = due
    return amounts


def _with_cause(row: ComparedRow, cause: str, amount: int, surplus: int, note: str, tolerance: Fraction) -> ComparedRow:
    """Return a row with what undivided figures explain of it."""
    if not amount:
        return row
    low, high = min(0, surplus), max(0, surplus)
    explained = row._replace(
        causes=(*row.causes, Explained(cause, amount, low, high, note)),
        bounds=AmountBounds(row.bounds.low + low, row.bounds.high + high),
    )
    return explained._replace(is_within=is_within(explained, tolerance))


def _explained_rest(rest: ComparedRow, taken: int, allowed: Fraction) -> ComparedRow:
    """Return an undivided row with what other rows of the day have of it, which `taken` is in all."""
    surplus = _surplus(rest)
    causes = rest.causes
    if taken:
        causes = (*causes, Explained("rows of the day", -taken, min(0, -surplus), max(0, -surplus), "may be theirs"))
    return rest._replace(causes=causes, is_within=abs(surplus - taken) <= allowed)

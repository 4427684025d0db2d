"""Units of invoices, always named: GB is 10^9 bytes, GiB is 2^30 bytes. Pure."""

import re
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from streamusage.core.figures import Unit
from streamusage.core.text import quote_input
from tui.reconcile.errors import AccountError

BYTE_UNITS = {
    **{"B": 1, "bytes": 1},
    **{"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15},
    **{"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50},
}
"""Bytes of each unit."""
TIME_UNITS = {"ms": 1, "seconds": 1000, "minutes": 60_000, "hours": 3_600_000}
"""Milliseconds of each unit."""
COUNT_UNITS = {"connections": 1}

UNIT_NAMES = (*BYTE_UNITS, *TIME_UNITS, *COUNT_UNITS)

_BY_UNIT = {Unit.BYTES: BYTE_UNITS, Unit.MILLISECONDS: TIME_UNITS, Unit.COUNT: COUNT_UNITS}
_OTHER_SPELLINGS = {
    **{"byte": "bytes", "h": "hours", "hour": "hours", "hrs": "hours", "min": "minutes", "minute": "minutes"},
    **{"mins": "minutes", "s": "seconds", "sec": "seconds", "secs": "seconds", "second": "seconds"},
    **{"msec": "ms", "milliseconds": "ms", "connection": "connections", "sessions": "connections"},
}
_NUMBER = re.compile(r"\d{1,20}(?:\.(\d{1,12}))?", re.ASCII)


class NamedUnit(NamedTuple):
    """A unit of a figure: its name, and how many bytes, milliseconds or connections it is."""

    name: str
    size: int


class Amount(NamedTuple):
    """A figure of an invoice."""

    value: int
    """In bytes, milliseconds or connections, rounded to the nearest."""
    decimals: int
    """How many digits it has after the point."""


def find_unit(name: str, unit: Unit) -> NamedUnit:
    """Return the unit of a name such as `GB`. Raises `AccountError` for a name that is no unit of this figure.

    The case counts only where it distinguishes: `Mb` is no unit, because it may mean bits.
    """
    known = _BY_UNIT[unit]
    spelling = _OTHER_SPELLINGS.get(name.lower(), name)
    if spelling not in known:
        spelling = next((other for other in known if other == {"KB": "kB", "K": "kB"}.get(name)), spelling)
    if spelling not in known:
        raise AccountError(f"{quote_input(name)} is no unit of this figure; expected one of {', '.join(known)}")
    return NamedUnit(spelling, known[spelling])


def unit_of_column(column: str, unit: Unit) -> NamedUnit | None:
    """Return the unit that the name of a column states: `traffic (GB)`, `bytes_out`, `usage_GiB`, `view hours`.

    Returns None where it states none, or several.
    """
    found = set()
    for word in re.split(r"[^A-Za-z]+", re.sub(r"(?<=[a-z])(?=[A-Z]i?B\b)", " ", column)):
        spelling = _column_spelling(word)
        if spelling in _BY_UNIT[unit]:
            found.add(NamedUnit(spelling, _BY_UNIT[unit][spelling]))
    return found.pop() if len(found) == 1 else None


def _column_spelling(word: str) -> str:
    """Return the unit of a word in a column's name, which may be in lower case throughout: `traffic_gb`."""
    if word.lower() in _OTHER_SPELLINGS:
        return _OTHER_SPELLINGS[word.lower()]
    if word.islower() or word == "KB":
        return next((name for name in UNIT_NAMES if name.lower() == word.lower() and len(name) > 1), word)
    return word


def parse_amount(text: str, unit: NamedUnit) -> Amount | None:
    """Return the figure of a text in a unit; None unless it is digits with at most one point.

    A comma is never read: it separates thousands for some and decimals for others.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    try:
        exact = Decimal(match[0]) * unit.size
    except InvalidOperation:
        return None
    return Amount(int(exact.to_integral_value()), len(match[1] or ""))


def rounding_step(unit: NamedUnit, decimals: int) -> int:
    """Return the step to which figures with so many decimals are rounded; 0 for whole bytes, ms or connections."""
    step = Decimal(unit.size).scaleb(-decimals)
    return int(step) if step > 1 else 0

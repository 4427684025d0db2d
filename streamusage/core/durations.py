"""Durations as people write them, in every option, setting and prompt. Pure.

Grammar: one or more pieces of a number and a unit, in any order, added up. The number has ASCII digits and may have
decimals. Spaces around pieces and numbers are allowed. The case of a unit does not matter.

    | unit | ms | s | m  | h    | d      | w       |
    |------|----|---|----|------|--------|---------|
    | is   |    |   | 60 s | 60 m | 24 h | 7 d     |

    | text    | milliseconds |
    |---------|--------------|
    | `500ms` | 500          |
    | `1.5m`  | 90,000       |
    | `1h30m` | 5,400,000    |
    | `2w`    | 1,209,600,000 |

A number without a unit is a duration only where the setting documents a unit for it: then `7` is 7 of that unit.
The result is rounded to whole milliseconds. A text of more than 64 characters is refused.
"""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Literal

from streamusage.core.text import quote_input

Unit = Literal["ms", "s", "m", "h", "d", "w"]

UNIT_MS: dict[str, int] = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
"""Milliseconds of each unit."""

UNIT_NAMES: dict[str, str] = {
    "ms": "milliseconds",
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
}
"""Names of the units in texts."""

EXAMPLES = "500ms, 90s, 1h30m or 2w"

LONGEST_TEXT = 64
_MOST_DIGITS = 60

_PIECE = r"([0-9]+(?:\.[0-9]+)?)\s*(ms|[smhdw])\s*"
_PIECES = rf"(?:{_PIECE})+"
_EXACT = Context(prec=LONGEST_TEXT + 20)
"""Enough digits for a sum of pieces; the context of the thread is left alone."""


class DurationError(ValueError):
    """The text is not a duration, or the duration is out of the setting's range. The text has an example."""


def parse_duration_ms(
    text: str, *, default_unit: Unit | None = None, shortest: str | None = None, longest: str | None = None
) -> int:
    """Return the milliseconds of a duration.

    `default_unit` is the unit of a bare number; without it, a bare number is refused. `shortest` and `longest` are
    durations that limit the result, both included. Raises `DurationError`.
    """
    length_ms = _round(_sum_pieces(text, default_unit))
    if (shortest is not None and length_ms < parse_duration_ms(shortest)) or (
        longest is not None and length_ms > parse_duration_ms(longest)
    ):
        limits = " ".join(
            f"{word} {limit}" for word, limit in (("from", shortest), ("to", longest)) if limit is not None
        )
        raise DurationError(f"{quote_input(text)} is out of range; expected a duration {limits}")
    return length_ms


def _sum_pieces(text: str, default_unit: Unit | None) -> Decimal:
    stripped = text.strip()
    if len(stripped) <= LONGEST_TEXT:
        if re.fullmatch(_PIECES, stripped, re.IGNORECASE):
            total = Decimal(0)
            for number, unit in re.findall(_PIECE, stripped, re.IGNORECASE):
                total = _EXACT.add(total, _EXACT.multiply(Decimal(number), Decimal(UNIT_MS[unit.lower()])))
            return total
        number = _parse_number(stripped)
        if number is not None and default_unit is not None:
            return _EXACT.multiply(number, Decimal(UNIT_MS[default_unit]))
        if number is not None:
            raise DurationError(
                f"{quote_input(text)} is not a duration, it has no unit; expected a unit of ms, s, m, h, d or w, "
                f"such as {EXAMPLES}"
            )
    bare = f", or a number of {UNIT_NAMES[default_unit]}" if default_unit else ""
    raise DurationError(
        f"{quote_input(text)} is not a duration; expected numbers with a unit of ms, s, m, h, d or w, "
        f"such as {EXAMPLES}{bare}"
    )


def _parse_number(text: str) -> Decimal | None:
    """Return a number that is finite, not negative and of a sensible size, in any notation of Python; else `None`."""
    try:
        number = Decimal(text) if text.isascii() else Decimal("NaN")
    except InvalidOperation:
        return None
    if not number.is_finite() or number.is_signed() or abs(number.adjusted()) > _MOST_DIGITS:
        return None
    return number


def _round(length_ms: Decimal) -> int:
    return int(length_ms.to_integral_value(rounding=ROUND_HALF_EVEN))

"""Instants and durations on the command line."""

import re
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import click

AtNow = Callable[[int, ZoneInfo], int]
"""A function of the service's time and the default zone that returns the instant in UTC milliseconds."""

_AGO = re.compile("([0-9]{1,9})([smhdw])")
_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def length_ms(text: str) -> int:
    """Return the milliseconds of `10m` or `24h`. Raises `click.BadParameter`."""
    found = _AGO.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not a duration: give 90s, 10m, 24h, 7d or 2w")
    return int(found[1]) * _UNITS_MS[found[2]]


def instant(text: str) -> AtNow:
    """Parse `24h` (before now), `2026-11-21T12:00` or UTC milliseconds. Raises `click.BadParameter`."""
    if re.fullmatch("[0-9]{1,16}", text):
        at_ms = int(text)
        return lambda now_ms, tz: at_ms
    if _AGO.fullmatch(text):
        before_ms = length_ms(text)
        return lambda now_ms, tz: max(0, now_ms - before_ms)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not an instant: give 24h (before now), 2026-11-21T12:00 or UTC milliseconds"
        ) from None
    return lambda now_ms, tz: int((at if at.tzinfo else at.replace(tzinfo=tz)).timestamp() * 1000)

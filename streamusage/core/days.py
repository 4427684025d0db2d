"""Accounting days of a time zone, including days of 23 and 25 hours. Pure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from streamusage.core.coverage import Interval

_MOST_SUGGESTED = 3
_CLOSENESS = 0.85
"""How much a suggested name resembles the typed one; names of a continent resemble each other by 0.8."""
_LONGEST_NAME = 60


class UnknownZoneError(ValueError):
    """The tz database has no time zone of that name."""


def zone(name: str) -> ZoneInfo:
    """Return the time zone of a name such as `UTC` or `Europe/Berlin`. Raises `UnknownZoneError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        close = " or ".join(close_zones(name))
        hint = f"did you mean {close}?" if close else "use a name of the tz database, such as Europe/Berlin"
        raise UnknownZoneError(f"unknown time zone {name!r}; {hint}") from None


def close_zones(typed: str) -> list[str]:
    """Return the names of the tz database that resemble a mistyped name or city, the most likely first."""
    from difflib import get_close_matches

    wanted = "_".join(typed.casefold().split())
    if not wanted or len(wanted) > _LONGEST_NAME:
        return []
    names = _zone_names()
    close = [wanted] if wanted in names else get_close_matches(wanted, names, _MOST_SUGGESTED, _CLOSENESS)
    return list(dict.fromkeys(names[name] for name in close))


@cache
def _zone_names() -> dict[str, str]:
    """Return the names of the tz database by their folded form and by their city."""
    # Not Etc/GMT+2, which is two hours behind UTC, and no abbreviation, such as EST for CEST.
    known = [name for name in sorted(available_timezones()) if "/" in name and not name.startswith("Etc/")]
    by_city = {name.rpartition("/")[2].casefold(): name for name in reversed(known)}
    return by_city | {name.casefold(): name for name in (*known, "UTC", "GMT")}


def day_interval(day: date, tz: ZoneInfo) -> Interval:
    """Return the interval of a day in a time zone, from its midnight to the next: 23 to 25 hours, mostly 24."""
    return Interval(_midnight_ms(day, tz), _midnight_ms(day + timedelta(days=1), tz))


def day_of(at_ms: int, tz: ZoneInfo) -> date:
    """Return the day of a time zone that contains an instant."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(tz).date()


def days_between(first: date, last: date) -> Iterator[date]:
    """Yield every day from `first` to `last`, both included."""
    day = first
    while day <= last:
        yield day
        day += timedelta(days=1)


def _midnight_ms(day: date, tz: ZoneInfo) -> int:
    # Where the clock skips midnight, fold=0 applies the offset before the step, which gives the instant of the step.
    return int(datetime.combine(day, time.min, tz).timestamp()) * 1000

"""Accounting days of a time zone, including days of 23 and 25 hours. Pure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streamusage.core.coverage import Interval


class UnknownZoneError(ValueError):
    """The tz database has no time zone of that name."""


def zone(name: str) -> ZoneInfo:
    """Return the time zone of a name such as `UTC` or `Europe/Berlin`. Raises `UnknownZoneError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownZoneError(
            f"unknown time zone {name!r}; use a name of the tz database, such as Europe/Berlin"
        ) from None


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

"""Accounting days in a time zone: which instants belong to a day, 23- and 25-hour days included. Pure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streamusage.core.coverage import Interval


class UnknownZoneError(ValueError):
    """No such time zone in the tz database."""


def zone(name: str) -> ZoneInfo:
    """The time zone of that name (`UTC`, `Europe/Berlin`). Raises `UnknownZoneError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownZoneError(
            f"no time zone is named {name!r}; names are those of the tz database, such as Europe/Berlin"
        ) from None


def day_interval(day: date, tz: ZoneInfo) -> Interval:
    """The instants of one day of a zone: from its midnight to the next day's. 23 to 25 hours long, mostly 24."""
    return Interval(_midnight_ms(day, tz), _midnight_ms(day + timedelta(days=1), tz))


def day_of(at_ms: int, tz: ZoneInfo) -> date:
    """The day of a zone that holds the instant."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(tz).date()


def days_between(first: date, last: date) -> Iterator[date]:
    """Every day from `first` to `last`, both included."""
    day = first
    while day <= last:
        yield day
        day += timedelta(days=1)


def _midnight_ms(day: date, tz: ZoneInfo) -> int:
    # Where the clock skips midnight, fold=0 reads the time with the offset before the step: the instant of the step.
    return int(datetime.combine(day, time.min, tz).timestamp()) * 1000

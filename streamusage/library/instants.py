"""Instants and days between Python's types and the service's UTC milliseconds. Pure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from streamusage.core.errors import InvalidArgumentError
from streamusage.core.windows import MOST_DAYS

EPOCH = datetime.fromtimestamp(0, UTC)


def datetime_of(at_ms: int) -> datetime:
    """Return an instant in UTC."""
    return EPOCH + timedelta(milliseconds=at_ms)


def optional_datetime(at_ms: int | None) -> datetime | None:
    """Return an instant in UTC; `None` for none."""
    return None if at_ms is None else datetime_of(at_ms)


def milliseconds_of(at: datetime) -> int:
    """Return UTC milliseconds. Raises `InvalidArgumentError` for a time without a zone."""
    if at.tzinfo is None:
        raise InvalidArgumentError(f"the time {at} has no zone; use one with a zone, such as datetime.now(UTC)")
    return (at - EPOCH) // timedelta(milliseconds=1)


def window_ms(start: datetime, end: datetime) -> tuple[int, int]:
    """Return the half-open window of two instants. Raises `InvalidArgumentError` where it is empty."""
    from_ms, to_ms = milliseconds_of(start), milliseconds_of(end)
    if from_ms >= to_ms:
        raise InvalidArgumentError(f"the window is empty: it starts at {start} and ends at {end}")
    return from_ms, to_ms


def day_ranges(first: date, last: date) -> Iterator[tuple[date, date]]:
    """Yield ranges of days that one request may have, oldest first. Raises `InvalidArgumentError` for none."""
    if first > last:
        raise InvalidArgumentError(f"the range has no day: it starts with {first} and ends with {last}")
    while first <= last:
        end = min(last, first + timedelta(days=MOST_DAYS - 1))
        yield first, end
        first = end + timedelta(days=1)


def year_ranges(first: date, last: date) -> Iterator[tuple[date, date]]:
    """Yield ranges of at most twelve whole months that one request may have, oldest first."""
    months = list(month_ranges(first, last))
    for start in range(0, len(months), 12):
        yield months[start][0], months[start : start + 12][-1][1]


def month_ranges(first: date, last: date) -> Iterator[tuple[date, date]]:
    """Yield the part of each month between two days, oldest first. Raises `InvalidArgumentError` for none."""
    if first > last:
        raise InvalidArgumentError(f"the range has no day: it starts with {first} and ends with {last}")
    while first <= last:
        next_month = (first.replace(day=1) + timedelta(days=31)).replace(day=1)
        end = min(last, next_month - timedelta(days=1))
        yield first, end
        first = next_month

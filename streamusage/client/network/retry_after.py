"""The header `Retry-After`: how long a service that is busy wants to be left alone. Pure."""

import math
from email.utils import parsedate_to_datetime

LONGEST_RETRY_AFTER_SECONDS = 3600.0


def retry_after_seconds(value: str | None, now_ms: int) -> float | None:
    """Return the seconds of the header, a number or a date, at most an hour; `None` where it is missing or invalid."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now_ms / 1000
        except (ValueError, TypeError, OverflowError, OSError):
            return None
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER_SECONDS) if not math.isnan(seconds) else None


def date_ms(value: str | None) -> int | None:
    """Return the instant of the header `Date` of a reply; `None` where it is missing or invalid."""
    try:
        return int(parsedate_to_datetime(value or "").timestamp() * 1000)
    except (ValueError, TypeError, OverflowError, OSError):
        return None

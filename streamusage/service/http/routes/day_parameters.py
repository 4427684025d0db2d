"""Parameters that name days: first and last day, time zone and server."""

from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamusage.core.days import UnknownZoneError, zone
from streamusage.core.windows import check_days
from streamusage.service.http.errors import ApiError
from streamusage.service.http.requests import Query


class RequestedDays(NamedTuple):
    """The days that a request asks for."""

    first: date
    last: date
    """Included."""
    tz: ZoneInfo
    server: str | None
    """`None` for all servers."""


def parse_days(query: Query) -> RequestedDays:
    """Return the days of the parameters `from`, `to`, `tz` and `server`. Raises `ApiError` or `WindowError`."""
    first = parse_day("from", query.require_text("from"))
    last = parse_day("to", query.require_text("to"))
    check_days(first, last)
    return RequestedDays(first, last, parse_zone(query.text("tz") or "UTC"), query.text("server"))


def parse_zone(name: str) -> ZoneInfo:
    """Return the time zone of a name. Raises `ApiError`."""
    try:
        return zone(name)
    except UnknownZoneError as error:
        raise ApiError(400, str(error)) from None


def parse_day(name: str, text: str) -> date:
    """Return the day of the parameter `name`. Raises `ApiError`."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or text != day.isoformat() or not 1971 <= day.year <= 9998:
        raise ApiError(400, f"{name} must be a day such as 2026-11-21")
    return day

"""The time of a line in logs of the `combined` kind: `21/Nov/2026:10:11:12 +0100`. Pure."""

from datetime import datetime, timedelta, timezone

TIME_LOCAL = r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"
"""Nine groups, as `seconds_of` takes them."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def seconds_of(
    day: str, month: str, year: str, hour: str, minute: str, second: str, sign: str, zone_hours: str, zone_minutes: str
) -> int | None:
    """Whole seconds since 1970; `None` for what is no time."""
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes)) * (-1 if sign == "-" else 1)
    try:
        local = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=timezone(offset)
        )
        return max(0, int(local.timestamp()))
    except (ValueError, OverflowError):
        return None

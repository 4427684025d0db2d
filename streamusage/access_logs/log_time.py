"""Time stamps of access logs in the `combined` style: `21/Nov/2026:10:11:12 +0100`. Pure."""

from datetime import datetime, timedelta, timezone

TIME_LOCAL = r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"
"""Regular expression with nine groups, the arguments of `parse_time_local_s`."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parse_time_local_s(
    day: str, month: str, year: str, hour: str, minute: str, second: str, sign: str, zone_hours: str, zone_minutes: str
) -> int | None:
    """Return whole seconds since 1970; None for an invalid time."""
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes)) * (-1 if sign == "-" else 1)
    try:
        local = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=timezone(offset)
        )
        return max(0, int(local.timestamp()))
    except (ValueError, OverflowError):
        return None

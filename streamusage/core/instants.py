"""Instants as people write them, in options and prompts. Pure.

| text                   | instant                                                                   |
|------------------------|---------------------------------------------------------------------------|
| `90m`, `1h30m ago`     | that long before now, never before 1970 (see `streamusage.core.durations`) |
| `12:40`, `12:40:07`    | the last time that the clock showed this                                  |
| `2026-11-21T12:00`     | ISO 8601; without an offset in the zone of the caller                     |
| `2026-11-21`           | the start of the day                                                      |
| `1795262400000`        | UTC milliseconds                                                          |
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from streamusage.core.durations import DurationError, parse_duration_ms
from streamusage.core.text import quote_input

AtNow = Callable[[int, tzinfo | None], int]
"""A function of the present time and a zone that returns the instant in UTC milliseconds. `None` is the local zone."""

_MILLISECONDS = re.compile("[0-9]{1,16}")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")


class InstantError(ValueError):
    """The text is not an instant. The text has examples."""


def parse_instant(text: str) -> AtNow:
    """Return the instant as a function of now and the zone. Raises `InstantError`."""
    text = text.strip()
    if _MILLISECONDS.fullmatch(text):
        at_ms = int(text)
        return lambda now_ms, tz: at_ms
    time_of_day = _CLOCK.fullmatch(_without_ago(text))
    if time_of_day is not None:
        hour, minute, second = (int(part or 0) for part in time_of_day.groups())
        if hour <= 23 and minute <= 59 and second <= 59:
            return lambda now_ms, tz: _last_time_of_day(hour, minute, second, now_ms, tz)
    try:
        before_ms = parse_duration_ms(_without_ago(text))
    except DurationError:
        return _parse_iso(text)
    return lambda now_ms, tz: max(0, now_ms - before_ms)


def format_utc(at_ms: int) -> str:
    """Return an instant as `2026-11-21 12:00 UTC`; one that no calendar has as its milliseconds."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"


def _without_ago(text: str) -> str:
    return text[: -len("ago")].rstrip() if text.lower().endswith("ago") else text


def _parse_iso(text: str) -> AtNow:
    try:
        at = datetime.fromisoformat(text)
        at.replace(tzinfo=at.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        raise InstantError(
            f"{quote_input(text)} is not an instant; expected a duration before now such as 24h, a time such as 12:40 "
            "or 2026-11-21T12:00, or UTC milliseconds"
        ) from None
    return lambda now_ms, tz: int((at if at.tzinfo else at.replace(tzinfo=tz)).timestamp() * 1000)


def _last_time_of_day(hour: int, minute: int, second: int, now_ms: int, tz: tzinfo | None) -> int:
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(tz)
    then = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
    if then > now:
        then -= timedelta(days=1)
    return round(then.timestamp() * 1000)

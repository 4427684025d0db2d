"""Parses an instant typed by the operator: `3m`, `90s ago`, `12:40`, `12:40:07`. Pure."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PIECE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd])")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")


def length_ms(text: str) -> int | None:
    """Return the milliseconds of `5m`, `1h30m` or `90s`, else `None`."""
    text = text.strip().lower()
    if not text or _PIECE.sub("", text).strip():
        return None
    return round(sum(float(number) * _UNIT_MS[unit] for number, unit in _PIECE.findall(text)))


def instant(text: str, now_ms: int, tz: tzinfo | None) -> int | None:
    """Return the instant that long ago, or the last one at that time of day; `None` if the text is neither."""
    text = text.strip().lower().removesuffix("ago").strip()
    length = length_ms(text)
    if length is not None:
        return now_ms - length
    found = _CLOCK.fullmatch(text)
    if found is None or int(found[1]) > 23 or int(found[2]) > 59 or int(found[3] or 0) > 59:
        return None
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(tz)
    then = now.replace(hour=int(found[1]), minute=int(found[2]), second=int(found[3] or 0), microsecond=0)
    if then > now:
        then -= timedelta(days=1)
    return round(then.timestamp() * 1000)

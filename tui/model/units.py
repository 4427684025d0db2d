"""Figures as a person reads them: bytes, rates, durations, times. Pure; times are UTC milliseconds."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

UNKNOWN = "–"
"""Stands for a figure that is not known, which is not a zero."""


def count_text(count: int | None) -> str:
    """`1,204`."""
    return UNKNOWN if count is None else f"{count:,}"


def bytes_text(size: int | None) -> str:
    """`4.21 GB`, in steps of 1000."""
    return UNKNOWN if size is None else _scaled(size, ("B", "kB", "MB", "GB", "TB", "PB"))


def rate_text(bits_per_second: int | None) -> str:
    """`88.1 Mbit/s`."""
    return (
        UNKNOWN
        if bits_per_second is None
        else _scaled(bits_per_second, ("bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"))
    )


def duration_text(duration_ms: float | None) -> str:
    """`8.8 s`, `36m`, `1h04`, `3d04h`: the two largest units that matter."""
    if duration_ms is None:
        return UNKNOWN
    seconds = duration_ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes}m{int(seconds) % 60:02}"
    hours = minutes // 60
    if hours < 48:
        return f"{hours}h{minutes % 60:02}"
    return f"{hours // 24}d{hours % 24:02}h"


def time_text(at_ms: int | None, tz: ZoneInfo) -> str:
    """`2026-11-21 12:03:04` in the zone."""
    if at_ms is None:
        return UNKNOWN
    try:
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(tz):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return str(at_ms)


def _scaled(figure: int, units: tuple[str, ...]) -> str:
    scaled, step = float(figure), 0
    while abs(scaled) >= 999.5 and step < len(units) - 1:
        scaled, step = scaled / 1000, step + 1
    decimals = 0 if step == 0 or abs(scaled) >= 100 else 1 if abs(scaled) >= 10 else 2
    return f"{scaled:.{decimals}f} {units[step]}"

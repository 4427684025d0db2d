"""Formats of figures, times and durations on screen. Pure; times are UTC milliseconds, the zone is an argument."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo

from streamusage.core.figures import Unit

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
UNKNOWN = "–"


def count(number: int | None) -> str:
    """Return `18,203`, or `–` for an unknown figure, which is not a zero."""
    return UNKNOWN if number is None else f"{number:,}"


def count_within(number: int | None, cells: int) -> str:
    """Return the count, shortened to `1.23 M` where it does not fit into `cells`."""
    text = count(number)
    return text if number is None or len(text) <= cells else _scaled(number, "").rstrip()


def lower_bound(number: int | None, cells: int | None = None) -> str:
    """Return `≥ 680` for a figure that leaves a server out, and `–` where nothing was counted. It fits into `cells`."""
    if not number:
        return UNKNOWN
    text = f"≥ {count(number)}"
    return text if cells is None or len(text) <= cells else f"≥{count_within(number, cells - 1)}"


def duration(length_ms: int | None) -> str:
    """Return `<1s`, `48s`, `36m`, `1h04` or `2d03h`: the one form on screen, at most six cells."""
    if length_ms is None:
        return UNKNOWN
    if length_ms < 0:
        return "-" + duration(-length_ms)
    if 0 < length_ms < SECOND_MS:
        return "<1s"
    if length_ms < MINUTE_MS:
        return f"{length_ms // SECOND_MS}s"
    if length_ms < HOUR_MS:
        return f"{length_ms // MINUTE_MS}m"
    if length_ms < DAY_MS:
        return f"{length_ms // HOUR_MS}h{length_ms % HOUR_MS // MINUTE_MS:02}"
    days = length_ms // DAY_MS
    return f"{days}d{length_ms % DAY_MS // HOUR_MS:02}h" if days < 100 else f"{days:,}d"


def age(length_ms: int) -> str:
    """Return a duration that grows or shrinks while it is shown: `<10s`, `20s`, `36m`, `1h04`. It seldom changes."""
    if 0 <= length_ms < 10 * SECOND_MS:
        return "<10s"
    return duration(length_ms // (10 * SECOND_MS) * 10 * SECOND_MS if 0 < length_ms < MINUTE_MS else length_ms)


def minutes_since(at_ms: int, now_ms: int) -> str:
    """Return the time since an instant as it was at the last full minute: `<1m`, `36m`, `1h04`.

    All of them change together, once a minute: in one frame.
    """
    length_ms = now_ms - now_ms % MINUTE_MS - at_ms
    return "<1m" if length_ms < MINUTE_MS else duration(length_ms)


def _local(at_ms: int, tz: tzinfo | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(tz)
    except (OverflowError, ValueError, OSError):
        return None


def _offset(then: datetime) -> str:
    """Return the offset of a local time from UTC: `+02`, `-0230`."""
    offset = f"{then:%z}"[:5]
    return offset.removesuffix("00") if len(offset) == 5 else offset


def _repeats(then: datetime) -> bool:
    """Return whether the zone's clock shows this time twice, because it was set back."""
    return then.replace(fold=0).utcoffset() != then.replace(fold=1).utcoffset()


def _clock(then: datetime, form: str = "%H:%M") -> str:
    """Return the time of day. One that the zone's clock shows twice has its offset: `02:53+01`."""
    return f"{then:{form}}{_offset(then) if _repeats(then) else ''}"


def moment(at_ms: int | None, now_ms: int, tz: tzinfo | None, *, cells: int | None = None) -> str:
    """Return an instant in its shortest unambiguous form: `12:03`, `Fri 18:20`, `14 Nov 18:20`, `2025-11-14`.

    A time of day that the clock shows twice has its offset: `02:53+01`. Of an instant of another day, the date alone is
    returned where more does not fit into `cells`, so that a column never cuts it.

    `tz` of `None` is the machine's own zone. An instant outside the calendar is `?`.
    """
    if not at_ms:
        return UNKNOWN
    then, now = _local(at_ms, tz), _local(now_ms, tz)
    if then is None or now is None:
        return "?"
    days = (now.date() - then.date()).days
    if days == 0:
        return _clock(then)
    if not 0 < days < 7 and then.year != now.year:
        return f"{then.year:04}-{then:%m-%d}"
    date = f"{then.day} {_MONTHS[then.month - 1]}"
    whole = f"{_WEEKDAYS[then.weekday()] if 0 < days < 7 else date} {_clock(then)}"
    return whole if cells is None or len(whole) <= cells else date


def time_text(at_ms: int, tz: tzinfo) -> str:
    """Return `2026-11-21 12:03:04` in the zone, the number itself outside the calendar, and `–` for an unknown time.

    A time that the zone's clock shows twice has its offset: `2026-10-25 02:30:00+02`.
    """
    if not at_ms:
        return UNKNOWN
    then = _local(at_ms, tz)
    return str(at_ms) if then is None else f"{then:%Y-%m-%d} {clock_time(at_ms, tz, seconds=True)}"


def clock_time(at_ms: int, tz: tzinfo | None, *, seconds: bool = False) -> str:
    """Return `12:44` or, with seconds, `12:44:07`; with its offset (`02:44+01`) where the clock shows it twice."""
    then = _local(at_ms, tz)
    return "?" if then is None else _clock(then, "%H:%M:%S" if seconds else "%H:%M")


def clock_times(from_ms: int, to_ms: int, tz: tzinfo | None, *, seconds: bool = False) -> tuple[str, str]:
    """Return the times of day of both ends of an interval, with their offsets where the clock is set within a day.

    Without the offsets, `01:53` and `02:01` look like 8 minutes apart and are 68.
    """
    begin, end = (clock_time(at_ms, tz, seconds=seconds) for at_ms in (from_ms, to_ms))
    first, last = _local(from_ms, tz), _local(to_ms, tz)
    if first is None or last is None or first.date() != last.date() or first.utcoffset() == last.utcoffset():
        return begin, end
    form = "%H:%M:%S" if seconds else "%H:%M"
    return f"{first:{form}}{_offset(first)}", f"{last:{form}}{_offset(last)}"


def day(at_ms: int, tz: tzinfo | None) -> str:
    """Return the instant's day: `21 Nov`."""
    then = _local(at_ms, tz)
    return "?" if then is None else f"{then.day} {_MONTHS[then.month - 1]}"


def traffic(total_bytes: int) -> str:
    """Return `4.21 GB`: decimal units, as used for billing."""
    return _scaled(total_bytes, "B")


def bandwidth(bps: int) -> str:
    """Return `88.1 Mbit/s`."""
    return _scaled(bps, "bit/s")


def optional_bandwidth(bps: int | None) -> str:
    """Return `88.1 Mbit/s`, or `–` where no peak is known."""
    return UNKNOWN if bps is None else bandwidth(bps)


def _scaled(number: int, unit: str) -> str:
    value, prefixes = float(number), iter("kMGTPEZYRQ")
    prefix = ""
    while abs(value) >= 999.5:
        value, prefix = value / 1000, next(prefixes, "")
        if not prefix:
            break
    if not prefix:
        return f"{number} {unit}"
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f} {prefix}{unit}"


def signed(number: int, text: Callable[[int], str]) -> str:
    """Return a difference with its sign."""
    return f"-{text(-number)}" if number < 0 else f"+{text(number)}"


def percent(part: float, whole: float) -> str:
    """Return `97.8 %`; a share below 100 or above 0 is never rounded to them."""
    if whole <= 0:
        return UNKNOWN
    share = 100 * part / whole
    if 99.95 <= share < 100:
        return "99.9 %"
    if 0 < share < 0.05:
        return "<0.1 %"
    return f"{share:.0f} %" if share in (0, 100) else f"{share:.1f} %"


_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

FORMAT_OF_UNIT: Mapping[Unit, Callable[[int], str]] = {
    Unit.COUNT: count,
    Unit.BYTES: traffic,
    Unit.MILLISECONDS: duration,
    Unit.BITS_PER_SECOND: optional_bandwidth,
}
"""How a billed figure is shown, by its unit."""

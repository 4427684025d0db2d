"""The clock of a log: from the times as its lines have them to instants. Pure; all times are milliseconds."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MOST_LATE_MS = 1_800_000
"""How much later than its neighbours a line may be written. A larger step back is the repeated hour."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LogClock:
    """Times of one log, in the order of its lines.

    A time without a zone is read in the zone that the operator gives. In the hour that a zone repeats, a line begins
    the second pass if the first would be more than half an hour before the previous line. A time that the zone skips
    is counted, and read as if the clock had not been set forward.
    """

    def __init__(self, zone: ZoneInfo | None, shift_ms: int = 0) -> None:
        """Without a zone the times are instants already. `shift_ms` is added to each: the log's clock was behind."""
        self._zone = zone
        self._shift_ms = shift_ms
        self._previous = 0
        self._is_second_pass = False
        self._instants: dict[int, tuple[int, int]] = {}
        self.skipped: Counter[str] = Counter()
        """Lines at times that do not exist in the zone, by day."""

    def instant(self, at: int) -> int:
        """Return the instant of a time of the log, which for a time without a zone is that time in UTC."""
        if self._zone is None:
            return at + self._shift_ms
        minute, rest = at - at % 60_000, at % 60_000
        known = self._instants.get(minute)
        if known is None:
            if len(self._instants) > 100_000:
                self._instants.clear()
            known = self._instants[minute] = self._resolve(minute, self._zone)
        first, second = known
        if first > second:
            self.skipped[_day_text(minute)] += 1
        instant = first + rest
        self._is_second_pass = second > first and (self._is_second_pass or instant < self._previous - MOST_LATE_MS)
        if self._is_second_pass:
            instant = second + rest
        self._previous = instant
        return instant + self._shift_ms

    @staticmethod
    def _resolve(minute: int, zone: ZoneInfo) -> tuple[int, int]:
        """Return the instants of both readings of a minute; the second is earlier where the zone skips it."""
        wall = (_EPOCH + timedelta(milliseconds=minute)).replace(tzinfo=zone)
        first, second = (int(wall.replace(fold=fold).timestamp()) * 1000 for fold in (0, 1))
        return first, second


def _day_text(at: int) -> str:
    return (_EPOCH + timedelta(milliseconds=at)).date().isoformat()

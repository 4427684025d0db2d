"""Which lines of a log can be read, and when the others were written: at the time of their neighbours. Pure.

A line is readable when its fields are, also if it reports nothing that is counted, and whatever a stranger wrote into
the request. Unreadable lines become `EndedConnection`s of the kind `unreadable`, which make their minutes partial.
"""

from streamusage.agent.reading import EndedConnection
from streamusage.core.coverage import SLOT_MS, slot_of

UNTIL_NOW_MS = 2**52
"""Latest possible time of a line that no readable line follows, unless the log's own time is known: the reading."""

OWN_TIME_SLACK_MS = 90_000
"""How far an unreadable line's own time may lie outside that of its neighbours: lines are written late. A time further
off was written by a stranger."""


class LineForms:
    """The readable and the unreadable lines of one batch, added in the order of the log."""

    def __init__(self, last_at: int = 0) -> None:
        """`last_at` is the time of the last readable line before the batch, 0 if unknown."""
        self.readable = 0
        self.unreadable = 0
        self.last_at = last_at
        """Time of the last readable line."""
        self._waiting: set[int | None] = set()
        """Own minutes, where they have one, of the unreadable lines that no readable line follows yet."""
        self._waiting_lines = 0
        self._minutes: set[tuple[int, int]] = set()
        """First and last minute in which unreadable lines may have been written."""

    def add_readable(self, at_ms: int | None) -> None:
        """Add a readable line with its time on the log's clock; None if it has none."""
        self.readable += 1
        if at_ms is not None:
            if self._waiting:
                self._date(at_ms)
            self.last_at = at_ms

    def add_unreadable(self, at_ms: int | None = None) -> None:
        """Add an unreadable line, with the time in it if that much can be read."""
        self.unreadable += 1
        self._waiting_lines += 1
        self._waiting.add(None if at_ms is None else slot_of(at_ms))

    def entries(self, written_at_ms: int | None = None) -> tuple[EndedConnection, ...]:
        """Return the unreadable lines as entries of a reading, one for all lines of the same minutes.

        `written_at_ms` is when the last line was written, by the log's clock; None if unknown.
        """
        if self._waiting:
            if written_at_ms is not None and written_at_ms >= self.last_at:
                if self._waiting_lines == 1:
                    self._waiting = {slot_of(written_at_ms)}
                self._date(written_at_ms)
            else:
                self._date(UNTIL_NOW_MS)
        return tuple(_unreadable(*minutes) for minutes in sorted(self._minutes))

    def _date(self, next_at: int) -> None:
        from_ms, to_ms = min(self.last_at, next_at), max(self.last_at, next_at)
        for minute in self._waiting:
            is_own = minute is not None and (
                from_ms - OWN_TIME_SLACK_MS <= minute + SLOT_MS and minute <= to_ms + OWN_TIME_SLACK_MS
            )
            self._minutes.add((minute, minute) if is_own and minute is not None else (slot_of(from_ms), slot_of(to_ms)))
        self._waiting.clear()
        self._waiting_lines = 0


def unreadable_minute(minute_ms: int) -> tuple[EndedConnection, ...]:
    """Return unreadable lines of one minute as entries of a reading."""
    return (_unreadable(minute_ms, minute_ms),)


def _unreadable(from_ms: int, to_ms: int) -> EndedConnection:
    return EndedConnection(
        connection_id="",
        kind="unreadable",
        scope="",
        name="",
        protocol="",
        ended_at=to_ms,
        duration_ms=to_ms - from_ms,
        granularity_ms=0,
        bytes_in=0,
        bytes_out=0,
    )

"""A log that is read only as far as it is understood: a reading never relies on a log that cannot be opened or read.

Then the reading is taken from the media server's own counters. Its time is partial with the reason, and its `problem`
names the way out.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from streamusage.agent.reading import EndedConnection, SourceError
from streamusage.agent.sources.common.logs.follower import LogPosition
from streamusage.agent.sources.common.logs.line_form import LineForms, unreadable_minute
from streamusage.agent.sources.common.logs.reader import LogLines, LogReader
from streamusage.core.clock import Clock
from streamusage.core.coverage import slot_of
from streamusage.core.reasons import LINES_LOST, LOG_NOT_OPENED, LOG_NOT_UNDERSTOOD

UNREADABLE_FOR_MS = 60_000
"""A log in which lines could be read is no longer understood once all of its lines were unreadable for so long. Until
then they may be those of a stranger."""

Value = TypeVar("Value")

Parse = Callable[[list[bytes], LineForms], list[Value]]
"""Returns what lines report, and adds each of the lines to the forms."""


class LogRead(NamedTuple, Generic[Value]):
    """What the lines since a position report."""

    values: list[Value]
    unreadable: tuple[EndedConnection, ...]
    """Lines that cannot be read, for `Reading.ended`."""
    position: LogPosition | None
    """The position after the lines; None if the log was never opened."""
    logs_ends: bool
    """As `Reading.logs_ends`."""
    misses: str
    """As `Reading.misses`."""
    problem: str
    """As `Reading.problem`."""
    lines: int = 0
    """As `Reading.log_lines`."""
    unreadable_lines: int = 0
    """As `Reading.unreadable_lines`."""


class UnderstoodLog(Generic[Value]):
    """One log of one source. The caller stores the position."""

    def __init__(self, log: LogReader, clock: Clock, parse: Parse[Value], form: str, no_log_reason: str) -> None:
        """`form` names the expected form and how to configure it, `no_log_reason` what is missing without a log."""
        self._log, self._clock = log, clock
        self._parse = parse
        self._form = form
        self._no_log_reason = no_log_reason
        self._is_understood: bool | None = None
        """Whether lines can be read; None while no line is known."""
        self._unreadable_since_ms: int | None = None
        self._last_at = 0
        self._is_probed = False
        self._marked_minute: int | None = None
        """The last minute with an unreadable line, by the machine's wall clock."""
        self._searched_lines = 0
        """How many lines after `_searched_from` are searched for unreadable ones already."""
        self._searched_from: LogPosition | None = None
        self._not_opened = ""

    @property
    def has_lines(self) -> bool:
        """Whether lines of the log were read."""
        return self._is_understood is True

    async def start(self, stored_position: LogPosition | None) -> LogPosition | None:
        """Return where to read from: the stored position, or else the end of the log; None if it cannot be opened.

        To be called before the media server's counters are read, and `read` after it.
        """
        self._not_opened = ""
        try:
            if not self._is_probed:
                self._probe(await self._log.last_lines())
                self._is_probed = True
            return stored_position or await self._log.end_position()
        except SourceError as error:
            self._not_opened = str(error)
            return stored_position

    async def read(self, position: LogPosition | None) -> LogRead[Value]:
        """Return what the lines since the position report. Never raises `SourceError`.

        A log that was read before and cannot be opened now is read later from where it stopped, so that its lines
        still end the viewers of this time.
        """
        if position is None:
            return LogRead([], (), None, False, LOG_NOT_OPENED, self._not_opened)
        try:
            batch = await self._log.read_lines(position)
        except SourceError as error:
            return LogRead([], (), position, self._is_understood is not False, LOG_NOT_OPENED, str(error))
        try:
            values, unreadable, unreadable_lines = await self._parse_batch(batch, position)
        except SourceError as error:
            return LogRead([], (), position, self._is_understood is not False, LOG_NOT_OPENED, str(error))
        logs_ends, misses, problem = True, LINES_LOST if batch.lost else "", ""
        if not self._log.is_reliable:
            logs_ends, misses, problem = False, self._no_log_reason, self._log.missing_text
        elif self._is_understood is False:
            logs_ends, misses = False, LOG_NOT_UNDERSTOOD
            problem = f"no line of the log {self._log.path} can be read; expected: {self._form}"
        return LogRead(
            values, unreadable, batch.position, logs_ends, misses, problem, len(batch.lines), unreadable_lines
        )

    async def read_between(
        self, start: LogPosition | None, end: LogPosition | None
    ) -> tuple[list[Value], tuple[EndedConnection, ...]]:
        """Return what the lines between two positions report, and those that cannot be read. Raises `SourceError`."""
        forms = LineForms()
        values = self._parse(await self._log.lines_between(start, end), forms)
        return values, forms.entries()

    async def _parse_batch(
        self, batch: LogLines, position: LogPosition
    ) -> tuple[list[Value], tuple[EndedConnection, ...], int]:
        """Return what a batch reports, the unreadable lines of all that is written by now, and how many of the batch
        are unreadable.

        A reading accounts for the time up to now, also if the log is so long that later readings bring its lines.
        Therefore the rest of a long log is searched for unreadable lines at once, and not again when it is read.
        """
        searched = min(self._searched_lines, len(batch.lines)) if position == self._searched_from else 0
        forms = LineForms(self._last_at)
        values = self._parse(batch.lines[:searched], forms)
        new = LineForms(forms.last_at)
        values += self._parse(batch.lines[searched:], new)
        unreadable_lines = forms.unreadable + new.unreadable
        self._last_at = new.last_at
        self._judge(forms)
        self._judge(new)
        self._log.warn_unreadable(unreadable_lines, self._form)
        written_at_ms = batch.written_at_ms
        left = self._searched_lines - searched if position == self._searched_from else 0
        if batch.more and not left:
            left, written_at_ms = await self._search(batch.position, new)
        self._searched_lines, self._searched_from = left, batch.position
        return values, self._mark(new.entries(written_at_ms)), unreadable_lines

    def _mark(self, unreadable: tuple[EndedConnection, ...]) -> tuple[EndedConnection, ...]:
        """Return the unreadable lines of a batch; in the rest of their last minute that minute again, so that it is
        partial as a whole, and one span instead of one for each line.
        """
        now_ms = self._clock.now_ms()
        if unreadable:
            past_ms = [min(line.ended_at, now_ms) for line in unreadable if line.ended_at - line.duration_ms <= now_ms]
            self._marked_minute = slot_of(max(past_ms)) if past_ms else None
        elif slot_of(now_ms) == self._marked_minute:
            return unreadable_minute(self._marked_minute)
        return unreadable

    async def _search(self, position: LogPosition, forms: LineForms) -> tuple[int, int | None]:
        """Add all lines after a position to the forms. Returns their number, and when the last one was written."""
        count = 0
        while True:
            batch = await self._log.read_lines(position)
            await asyncio.to_thread(self._parse, batch.lines, forms)
            count += len(batch.lines)
            position = batch.position
            if not batch.more or not batch.lines:
                return count, batch.written_at_ms

    def _probe(self, lines: list[bytes]) -> None:
        """Learn from the last lines of the log whether it is understood."""
        forms = LineForms()
        self._parse(lines, forms)
        if lines and self._is_understood is None:
            self._is_understood = forms.readable > 0

    def _judge(self, forms: LineForms) -> None:
        if forms.readable:
            self._is_understood, self._unreadable_since_ms = True, None
        elif forms.unreadable:
            now_ms = self._clock.elapsed_ms()
            if self._unreadable_since_ms is None:
                self._unreadable_since_ms = now_ms
            if not self._is_understood or now_ms - self._unreadable_since_ms >= UNREADABLE_FOR_MS:
                self._is_understood = False

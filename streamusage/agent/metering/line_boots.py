"""To which boot of the media server a log line belongs: the present one, or an earlier one. Pure.

The ids of a media server begin again with each boot, and the clock that dates a line may have been wrong. In doubt a
line belongs to the present boot: its counters contain the bytes of the line already, so that none is counted twice.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from streamusage.agent.metering import retired
from streamusage.agent.metering.passage import SAME_MAPPING_MS, Passage
from streamusage.agent.metering.viewer_matching import DRIFT_PER_MS, start_precision_ms
from streamusage.agent.reading import EndedConnection, Reading
from streamusage.api.report import RetiredBoot


def earliest_start(latest_start: int, reading: Reading) -> int:
    """Return the earliest possible start of the present boot: its uptime was read while the page was answered."""
    return latest_start - reading.started_granularity_ms - reading.age_slack_ms


class LineBoots(NamedTuple):
    """The boots whose connections the lines of a reading may end."""

    present: str
    of_last_reading: str
    is_same: bool
    """Whether the present boot is that of the last reading."""
    started_at: int
    """Latest possible start of the present boot by this reading; 0 if unknown."""
    earliest_start: int
    """Earliest possible start of the present boot, by all readings of it."""
    retired: Sequence[RetiredBoot]
    """The earlier boots, oldest first."""
    draining: Mapping[str, bool]
    """Those of them that serve connections which no page shows, and whether this is certain."""
    reading: Reading
    passage: Passage
    has_one_clock: bool
    """Whether one clock dates the lines of the present boot, as far as anything shows."""

    @property
    def names(self) -> list[str]:
        """The boots, the newest first."""
        return [self.present, self.of_last_reading, *(boot.boot for boot in reversed(self.retired))]

    @property
    def age_ms(self) -> int:
        """The longest possible age of the present boot."""
        return self.reading.at - self.earliest_start

    @property
    def clock_error_ms(self) -> int:
        """How far the clock that dates lines may be from that of the readings; 0 where it is the same."""
        return 0 if self.reading.machine_offset_ms is None else SAME_MAPPING_MS

    def is_dated(self, line: EndedConnection) -> bool:
        """Return whether the time of a line shows the boot of its connection."""
        is_start_known = self.is_same or self.started_at > self.passage.last_at
        is_dated = self.passage.are_lines_exact and self.passage.is_between(line.ended_at, self.reading.at)
        return is_start_known and self.has_one_clock and is_dated

    def at(self, started_at: int) -> str:
        """Return the boot in which a connection that no reading showed began, by its latest possible start."""
        tolerance_ms = self.clock_error_ms
        if tolerance_ms:
            tolerance_ms += (self.reading.at - started_at) // DRIFT_PER_MS
        if not self.retired or started_at >= self.earliest_start - tolerance_ms:
            return self.present
        tolerance_ms += self.reading.started_granularity_ms
        return retired.boot_that_began(self.retired, self.draining, started_at, tolerance_ms)

    def of_publish(self, line: EndedConnection, started_at: int) -> list[str]:
        """Return the boots in which the publish of a line may have begun, the newest first.

        Where the time of the line shows that it began before the present boot, its id is that of another publish there.
        """
        is_of_earlier = self.is_dated(line) and self.at(started_at + start_precision_ms(line)) != self.present
        return [boot for boot in self.names if not is_of_earlier or boot != self.present]

    def is_certain(self, boot: str, line: EndedConnection) -> bool:
        """Return whether a line whose time is uncertain belongs to a boot. In doubt its bytes are not added: those that
        counters do not contain are missing from an interval that is marked as incomplete.
        """
        if boot == self.present:
            return self.is_same
        # The duration of the line proves that its connection began before the present boot.
        return line.duration_ms - line.duration_ms // DRIFT_PER_MS > self.age_ms

    def is_ambiguous(self, boot: str, line: EndedConnection, started_at: int) -> bool:
        """Return whether a line that ends a connection of an earlier boot may be that of another one with its id, which
        the present boot had between two readings. Then the present counters may contain its bytes.

        After a reload there is no other one: nginx counts connections in memory that its workers share.
        """
        if boot == self.present or self._was_reloaded(boot):
            return False
        is_unseen = not self.is_same or self.latest_start_of(line, started_at) >= self.passage.last_at
        return is_unseen and self._may_be_of_present(line, started_at)

    def latest_start_of(self, line: EndedConnection, started_at: int) -> int:
        """Return when the connection of a line began at the latest, where the time of the line is known."""
        return started_at + start_precision_ms(line) + self.clock_error_ms

    def unseen_until(self, boot: str, line: EndedConnection, started_at: int) -> int:
        """Return until when a connection of the present boot may have begun that no reading showed, where a line ends
        one of an earlier boot that nothing proves to be its own; 0 if there is none.
        """
        if boot == self.present or self._was_reloaded(boot):
            return 0
        if self.is_ambiguous(boot, line, started_at):
            return self.latest_start_of(line, started_at) + 1
        return 0 if self.is_dated(line) else self.reading.at

    def may_end_connections(self, boot: str) -> bool:
        """Return whether lines of an earlier boot may be in this reading: it has just ended, or served connections
        beside the present one until now.
        """
        has_just_ended = not self.is_same and boot == self.of_last_reading
        return has_just_ended or boot in self.draining or retired.raw_name(boot) in self.reading.drained

    def earlier_from(self, line: EndedConnection, started_at: int) -> int | None:
        """Return when a connection of an earlier boot began at the earliest, if it may be that of a line; `None` where
        nothing is known of it.

        A page shows the latest possible start of a connection. One that began before the start of a line which may be
        of the present boot is therefore another one, although it had the same id.
        """
        return started_at - start_precision_ms(line) if self._may_be_of_present(line, started_at) else None

    def earlier_from_in_doubt(self, line: EndedConnection, started_at: int) -> int | None:
        """As `earlier_from`, where the clock may have been set by so little that it is taken for one clock."""
        earlier_from = self.earlier_from(line, started_at)
        return None if earlier_from is None else earlier_from - self.clock_error_ms

    def _was_reloaded(self, boot: str) -> bool:
        """Return whether an earlier boot certainly served connections beside the present one since the last reading."""
        return self.draining.get(boot, False) or retired.raw_name(boot) in self.reading.drained

    def _may_be_of_present(self, line: EndedConnection, started_at: int) -> bool:
        return self.is_dated(line) and self.at(started_at) == self.present

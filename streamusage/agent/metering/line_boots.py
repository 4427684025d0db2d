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
        served = [boot.boot for boot in self.retired if self.may_end_connections(boot.boot)]
        return retired.boot_that_began(self.retired, served, started_at, tolerance_ms)

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
        if self._continues(boot):
            return False
        is_unseen = not self.is_same or self.latest_start_of(line, started_at) >= self.passage.last_at
        return is_unseen and self._may_be_of_present(line, started_at)

    def is_shared(self, boot: str, line: EndedConnection, started_at: int) -> bool:
        """Return whether a line of an earlier boot may be of a connection of another boot that used the id, too, as a
        binary upgrade does: two boots served connections at once, and one began about when the connection did. Then the
        counters of that boot may contain its bytes.
        """
        return boot != self.present and any(
            self._may_have_begun(index, line, started_at)
            for index, other in enumerate(self._serving)
            if other not in ("", boot) and not (self._continues(boot) and self._continues(other))
        )

    def may_be_of_drained(self, boot: str, line: EndedConnection) -> bool:
        """Return whether a line of a connection that no page showed, of the present boot as far as its start shows, may
        be of one that an earlier boot accepted beside it: until the old master of an upgrade quits, both accept. The
        counters contain its bytes only in the first case. Only boots that have just ended matter: as long as one
        certainly serves, the time is incomplete anyway.
        """
        if boot != self.present or line.counter or not (line.bytes_in or line.bytes_out):
            return False
        return any(name not in self.reading.continued_ids for name in self.reading.drained)

    @property
    def _serving(self) -> list[str]:
        """The boots whose lines are to be expected, oldest first: an empty name for one whose lines are not."""
        earlier = [boot.boot if self.may_end_connections(boot.boot) else "" for boot in self.retired]
        return [*earlier, self.present]

    def _may_have_begun(self, index: int, line: EndedConnection, started_at: int) -> bool:
        """Return whether the connection of a line may have begun in a boot of `_serving`."""
        boots = [(boot.started_at, boot.retired_at or boot.started_at) for boot in self.retired]
        boots.append((self.earliest_start + self._start_error_ms, self.reading.at))
        latest_start, shown_at = boots[index]
        replaced_at = boots[index + 1][0] if index + 1 < len(boots) else self.reading.at
        error_ms = self.clock_error_ms
        if error_ms:
            error_ms += line.duration_ms // DRIFT_PER_MS
        may_begin_later = started_at + error_ms >= latest_start - self._start_error_ms
        return may_begin_later and started_at - line.granularity_ms - error_ms <= max(shown_at, replaced_at)

    @property
    def _start_error_ms(self) -> int:
        """How much earlier than its latest possible start a boot may have started."""
        return self.reading.started_granularity_ms + self.reading.age_slack_ms

    def latest_start_of(self, line: EndedConnection, started_at: int) -> int:
        """Return when the connection of a line began at the latest, where the time of the line is known."""
        return started_at + start_precision_ms(line) + self.clock_error_ms

    def unseen_until(self, boot: str, line: EndedConnection, started_at: int) -> int:
        """Return until when a connection of the present boot may have begun that no reading showed, where a line ends
        one of an earlier boot that nothing proves to be its own; 0 if there is none.
        """
        if self._continues(boot):
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

    def _continues(self, boot: str) -> bool:
        """Return whether the present boot certainly uses no connection id of a boot again."""
        return boot == self.present or retired.raw_name(boot) in self.reading.continued_ids

    def _may_be_of_present(self, line: EndedConnection, started_at: int) -> bool:
        return self.is_dated(line) and self.at(started_at) == self.present

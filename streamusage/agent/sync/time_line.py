"""The time line of one agent: which time of day a reading has, and when the service's clock is followed. Without I/O.

The time line is the machine's clock that never steps, plus an offset that the journal keeps and the service confirms.
The machine's wall clock dates only what the media server writes, such as log lines.
"""

import msgspec

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.reading import Reading
from streamusage.agent.sync.offset import OffsetSamples
from streamusage.api.report import ClockState


class TimeLine:
    """The time line of one run: one boot of the machine or, without a boot id, one process."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._samples = OffsetSamples()
        self._offset_ms: int | None = None

    def forget(self) -> None:
        """Forget the offset, because the journal may have another one."""
        self._offset_ms = None

    def offset_ms(self, ledger: Ledger, elapsed_ms: int, machine_now_ms: int) -> int:
        """Return the time of the time line minus the elapsed time. Raises `JournalError`."""
        if self._offset_ms is None:
            self._offset_ms = ledger.begin_run(self._run, elapsed_ms, machine_now_ms)
        return self._offset_ms

    def place(
        self, reading: Reading, offset_ms: int, asked_elapsed_ms: int, elapsed_ms: int, machine_now_ms: int
    ) -> Reading:
        """Return a reading on the time line, with what converts its other times from the machine's wall clock.

        The reading was requested at `asked_elapsed_ms` and is here at `elapsed_ms`: a wall clock that is set meanwhile
        moves it no further. A source that reads both clocks at once sets `elapsed_ms` itself.
        """
        by_wall_clock_ms = min(max(elapsed_ms - (machine_now_ms - reading.at), asked_elapsed_ms), elapsed_ms)
        at_elapsed_ms = reading.elapsed_ms or by_wall_clock_ms
        return msgspec.structs.replace(
            reading,
            at=at_elapsed_ms + offset_ms,
            run=self._run,
            elapsed_ms=at_elapsed_ms,
            machine_offset_ms=reading.at - at_elapsed_ms,
        )

    def observe(
        self, sent_ms: int, answered_ms: int, received_at: int | None, replied_at: int, state: ClockState
    ) -> None:
        """Add what an exchange shows of the service's clock, unless it is doubtful (see `OffsetSamples.add`)."""
        if state == "trusted":
            self._samples.add(sent_ms, answered_ms, received_at, replied_at)

    @property
    def is_known(self) -> bool:
        """Whether the samples of the service's clock agree."""
        return self._samples.agreed is not None

    def machine_ahead_ms(self, machine_offset_ms: int) -> int | None:
        """Return how far the machine's wall clock is ahead of the service's; `None` while that is unknown."""
        agreed = self._samples.agreed
        return None if agreed is None else machine_offset_ms - agreed.offset_ms

    def correction(self, ledger: Ledger, machine_offset_ms: int) -> int | None:
        """Return the offset to follow from now on; `None` where the present one is right as far as is known.

        The machine's wall clock is right where the service's does not contradict it.
        """
        agreed = self._samples.agreed
        if agreed is None:
            return None
        if not ledger.is_undated and self._offset_ms is not None and not agreed.differs_from(self._offset_ms):
            return None
        return agreed.offset_ms if agreed.differs_from(machine_offset_ms) else machine_offset_ms

    def follow(self, ledger: Ledger, offset_ms: int) -> None:
        """Date readings by another offset from now on, and date again what the service does not have.

        Raises `JournalError`.
        """
        ledger.confirm_offset(self._run, offset_ms)
        self._offset_ms = offset_ms

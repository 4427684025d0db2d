"""Progress of recovery after an outage: how much of the missing time has been backfilled. Pure."""

from collections.abc import Iterable

from streamusage.core.coverage import Interval
from tui.model import formats

_BAR_CELLS = 10


class Recovery:
    """Counts since nothing was missing. Missing time grows until its server is online again."""

    def __init__(self) -> None:
        self.owed_ms = 0
        self.came_ms = 0
        """Backfilled milliseconds of the missing time."""

    def add(self, filled: Iterable[Interval], owed_ms: int) -> None:
        """Add the intervals backfilled since the last response, and the time that is still missing."""
        if not self.owed_ms:
            self.came_ms = 0
        self.came_ms += sum(piece.length_ms for piece in filled)
        self.owed_ms = owed_ms

    @property
    def is_under_way(self) -> bool:
        """Whether some time is backfilled and some is still missing."""
        return bool(self.came_ms and self.owed_ms)

    def describe(self) -> str:
        """Return `recovering ██████░░░░ 32m of 48m backfilled, 66.7 %`."""
        total_ms = self.came_ms + self.owed_ms
        done = self.came_ms * _BAR_CELLS // total_ms
        return (
            f"recovering {'█' * done}{'░' * (_BAR_CELLS - done)} {formats.duration(self.came_ms)} of "
            f"{formats.duration(total_ms)} backfilled, {formats.percent(self.came_ms, total_ms)}"
        )

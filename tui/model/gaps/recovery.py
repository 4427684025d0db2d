"""How far the healing of an outage has come: how much of what was owed has come in by now. Pure."""

from collections.abc import Iterable

from streamusage.core.coverage import Interval
from tui.model import formats

_BAR_CELLS = 10


class Recovery:
    """Counts from the moment at which nothing was owed last. Time that is owed grows until its server comes back."""

    def __init__(self) -> None:
        self.owed_ms = 0
        self.came_ms = 0
        """Of what was owed, what has been filled."""

    def heard(self, filled: Iterable[Interval], owed_ms: int) -> None:
        """Takes in what was filled since the last answer, and what is owed by now."""
        if not self.owed_ms:
            self.came_ms = 0
        self.came_ms += sum(piece.length_ms for piece in filled)
        self.owed_ms = owed_ms

    @property
    def is_under_way(self) -> bool:
        """Whether some has come in and some is owed still."""
        return bool(self.came_ms and self.owed_ms)

    def in_words(self) -> str:
        """`healing ██████░░░░ 32 min of 48 min owed have come in, 66.7 %`."""
        total_ms = self.came_ms + self.owed_ms
        done = self.came_ms * _BAR_CELLS // total_ms
        return (
            f"healing {'█' * done}{'░' * (_BAR_CELLS - done)} {formats.duration_in_words(self.came_ms)} of "
            f"{formats.duration_in_words(total_ms)} owed have come in, {formats.percent(self.came_ms, total_ms)}"
        )

"""What was backfilled between two polls of the coverage, for as long as the gap view shows it. Pure."""

from collections.abc import Mapping

from streamusage.core.coverage import Interval
from tui.model import formats
from tui.model.gaps.accounts import CoverageTimeline
from tui.model.gaps.grid import newly_backfilled
from tui.model.gaps.recovery import Recovery
from tui.model.text import sanitize

HIGHLIGHT_MS = 4_000
"""How long cells are highlighted that were backfilled just now."""
JUST_NOW_MS = 15_000
"""How long the notice about them is shown."""


class Backfills:
    """The newest backfills. Times are those of a clock that never steps back."""

    def __init__(self) -> None:
        self._found: dict[str, list[Interval]] = {}
        self._found_at_ms = 0
        self._recovery = Recovery()
        self._notice = ""
        """The newest recovery, as text."""

    def add(
        self,
        before: Mapping[str, CoverageTimeline],
        after: Mapping[str, CoverageTimeline],
        *,
        until_ms: int,
        elapsed_ms: int,
    ) -> None:
        """Compare the servers of two polls. `until_ms` is the service's time at the second one."""
        found = {
            name: pieces for name, timeline in after.items() if (pieces := newly_backfilled(before.get(name), timeline))
        }
        owed_ms = sum(timeline.totals(0, until_ms).owed_ms for timeline in after.values())
        self._recovery.add((piece for pieces in found.values() for piece in pieces), owed_ms)
        if found:
            self._found, self._found_at_ms = found, elapsed_ms
            name, pieces = next(iter(found.items()))
            filled = formats.duration(sum(piece.length_ms for piece in pieces))
            more = f", and {len(found) - 1} more servers" if len(found) > 1 else ""
            self._notice = f"{sanitize(name)} recovered just now: {filled} backfilled{more}"

    @property
    def are_highlighted(self) -> bool:
        """Whether the last call of `highlighted` returned anything, so that it must be drawn again."""
        return bool(self._found)

    def highlighted(self, elapsed_ms: int) -> Mapping[str, list[Interval]]:
        """Return what is highlighted, by server."""
        if elapsed_ms - self._found_at_ms > HIGHLIGHT_MS:
            self._found = {}
        return self._found

    def notice(self, elapsed_ms: int) -> str:
        """Return the text about the newest recovery, or about one that is under way; empty without either."""
        if self._notice and elapsed_ms - self._found_at_ms <= JUST_NOW_MS:
            return self._notice
        return self._recovery.describe() if self._recovery.is_under_way else ""

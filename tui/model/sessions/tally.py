"""Counts of what happened while the terminal had no focus, from the polls since. Pure."""

from collections.abc import Iterable

from tui.model import formats
from tui.model.sessions.store import Change

SHORTEST_MS = 10_000
"""A shorter absence needs no summary."""


class Tally:
    """Counts since an instant; nothing before `begin`."""

    def __init__(self) -> None:
        self._since_ms: int | None = None
        self._started = self._ended = self._deleted = 0
        self._failures = 0

    def begin(self, at_ms: int) -> None:
        """Start counting."""
        self._since_ms = at_ms
        self._started = self._ended = self._deleted = self._failures = 0

    def add_changes(self, changes: Iterable[Change]) -> None:
        """Count the changes of a poll."""
        if self._since_ms is None:
            return
        for _, before, after in changes:
            was_live, is_live = before is not None and before.live, after is not None and after.live
            self._started += is_live and not was_live
            self._ended += after is not None and not is_live and (was_live or before is None)
            self._deleted += after is None

    def add_failure(self) -> None:
        """Count a failed poll."""
        self._failures += 1

    def end(self, at_ms: int, owing: str) -> str:
        """Stop counting and return the summary; empty where nothing is worth reporting."""
        since_ms, self._since_ms = self._since_ms, None
        if since_ms is None or at_ms - since_ms < SHORTEST_MS:
            return ""
        counted = (
            (self._started, "started"),
            (self._ended, "ended"),
            (self._deleted, "deleted"),
            (self._failures, "polls failed"),
        )
        told = [f"{number:,} {what}" for number, what in counted if number]
        if owing:
            told.append(owing)
        away = formats.duration(at_ms - since_ms)
        return f"you looked away for {away}: {', '.join(told) or 'nothing changed'}"

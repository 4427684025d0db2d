"""Viewers who left the statistics page, and which of them the log explains. Pure.

A viewer who leaves its stream and stays connected is not on the page and has its line later: the comparison of both
sums allows for some of them.
"""

from collections.abc import Iterable

MOST_AWAITED = 10_000


class Departures:
    """The viewers of one life of a worker, by their connection ids."""

    def __init__(self, boot: str = "") -> None:
        self.boot = boot
        self.left = 0
        """How many left the page."""
        self.explained = 0
        """How many of them have a line, or are back."""
        self._present: set[str] = set()
        self._awaited: dict[str, None] = {}
        """Viewers without a line, in the order in which they left."""

    def update(self, present: Iterable[str], ended: Iterable[str]) -> None:
        """Add the viewers on a page and the connections of the lines that were read after it."""
        now = set(present)
        ended = set(ended)
        for viewer in (self._present | now) & ended:
            self.left += 1
            self.explained += 1
            self._present.discard(viewer)
            now.discard(viewer)
        for viewer in self._awaited.keys() & (ended | now):
            self.explained += 1
            del self._awaited[viewer]
        for viewer in self._present - now:
            self.left += 1
            self._awaited[viewer] = None
        while len(self._awaited) > MOST_AWAITED:
            del self._awaited[next(iter(self._awaited))]
        self._present = now

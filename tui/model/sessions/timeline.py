"""What the last polls changed, so that the table can be stepped back and forth. Bounded. Pure.

A frame keeps each changed session before and after: applied backwards it undoes a poll.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from tui.model.sessions.store import Change

MOST_FRAMES = 1_800
MOST_CHANGES = 200_000
"""Kept in all; a poll that changed more than this is a new beginning."""


class Frame(NamedTuple):
    """One poll that succeeded. `at_ms` is the service's time."""

    at_ms: int
    changes: tuple[Change, ...]


class PollTimeline:
    """Frames, oldest first, and how many of them the table shows."""

    def __init__(self, most_frames: int = MOST_FRAMES, most_changes: int = MOST_CHANGES) -> None:
        self._frames: deque[Frame] = deque()
        self._most_frames, self._most_changes = most_frames, most_changes
        self._changes = 0
        self._back = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def changes(self) -> int:
        """How many changes are kept."""
        return self._changes

    @property
    def back(self) -> int:
        """How many polls the table is stepped back."""
        return self._back

    @property
    def at_ms(self) -> int | None:
        """The instant that is shown; `None` where nothing is kept."""
        return self._frames[-1 - self._back].at_ms if self._back < len(self._frames) else None

    def newest(self, most: int = 300) -> list[Frame]:
        """The last frames, oldest first."""
        return list(self._frames)[-most:]

    def add(self, at_ms: int, changes: Iterable[Change]) -> None:
        """Takes in a poll. Only while the newest is shown."""
        frame = Frame(at_ms, tuple(changes))
        if len(frame.changes) > self._most_changes:
            # Nothing leads from before it to after it any more.
            self._frames.clear()
            frame, self._changes = Frame(at_ms, ()), 0
        self._frames.append(frame)
        self._changes += len(frame.changes)
        while len(self._frames) > self._most_frames or self._changes > self._most_changes:
            self._changes -= len(self._frames.popleft().changes)

    def step(self, polls: int) -> list[list[Change]]:
        """Goes `polls` back (below zero) or forth, as far as is kept. Gives what to apply, in order."""
        steps: list[list[Change]] = []
        while polls < 0 and self._back < len(self._frames) - 1:
            frame = self._frames[-1 - self._back]
            steps.append([Change(key, after, before) for key, before, after in reversed(frame.changes)])
            self._back += 1
            polls += 1
        while polls > 0 and self._back:
            self._back -= 1
            steps.append(list(self._frames[-1 - self._back].changes))
            polls -= 1
        return steps

    def polls_to(self, at_ms: int) -> int:
        """How many steps lead to what was known at an instant; below zero is back."""
        times = [frame.at_ms for frame in self._frames]
        wanted = max(0, bisect_right(times, at_ms) - 1)
        return wanted - (len(times) - 1 - self._back)

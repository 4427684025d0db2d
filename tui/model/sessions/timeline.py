"""Changes of the last polls, so that the table can be stepped back and forth. Bounded. Pure.

A frame keeps each changed session before and after: applied backwards, it undoes a poll.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tui.model.sessions.packed_changes import PackedChanges
from tui.model.sessions.store import Change

MOST_FRAMES = 1_800
MOST_CHANGES = 200_000
"""Limit of all kept changes; a poll with more than that starts a new timeline."""


class Frame(NamedTuple):
    """One successful poll. `at_ms` is the service's time."""

    at_ms: int
    changes: Sequence[Change]
    service: str = ""
    """The service that was polled, where there are several; empty for changes that waited while the table paused."""


class PollTimeline:
    """Frames, oldest first, and the one that the table shows."""

    def __init__(self, most_frames: int = MOST_FRAMES, most_changes: int = MOST_CHANGES) -> None:
        self._frames: deque[Frame] = deque()
        self._most_frames, self._most_changes = most_frames, most_changes
        self._changes = 0
        self._back = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def changes(self) -> int:
        """Number of kept changes."""
        return self._changes

    @property
    def back(self) -> int:
        """Number of polls that the table is stepped back."""
        return self._back

    @property
    def at_ms(self) -> int | None:
        """The instant on screen; `None` without frames."""
        return self._frames[-1 - self._back].at_ms if self._back < len(self._frames) else None

    def newest(self, most: int = 300) -> list[Frame]:
        """Return the last frames, oldest first."""
        return list(self._frames)[-most:]

    def add(self, at_ms: int, changes: Iterable[Change], service: str = "") -> None:
        """Add a poll. Only while the newest frame is shown."""
        frame = Frame(at_ms, changes if isinstance(changes, PackedChanges) else tuple(changes), service)
        if len(frame.changes) > self._most_changes:
            # No step leads across it any more.
            self._frames.clear()
            frame, self._changes = Frame(at_ms, (), service), 0
        self._frames.append(frame)
        self._changes += len(frame.changes)
        while len(self._frames) > self._most_frames or self._changes > self._most_changes:
            self._changes -= len(self._frames.popleft().changes)

    def step(self, polls: int) -> list[list[Change]]:
        """Step `polls` back (below zero) or forth, within the kept frames. Returns the changes to apply, in order."""
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
        """Return the number of steps to the state at an instant; below zero is back.

        That is the newest frame up to then: frames of a clock that was ahead are later, but older.
        """
        newest = len(self._frames) - 1
        wanted = next((place for place in range(newest, 0, -1) if self._frames[place].at_ms <= at_ms), 0)
        return wanted - (newest - self._back)

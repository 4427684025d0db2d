"""History of each session's active subscribers by this console's own polls, bounded. Pure.

A poll returns only changes, so a session is kept as the polls at which its figure changed; the figures in between
follow. A failed poll is a gap for every session.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable

from streamusage.core.coverage import OWED, Provenance
from streamusage.core.usage import SessionKey
from tui.model.sessions.session import Session
from tui.model.sessions.sparkline import NoFigure, Point, exact_figures, known_figures, lower_bound, merge_points
from tui.model.sessions.store import Change

KEPT_POLLS = 720
_FILLED = (Provenance.BACKFILLED, Provenance.PARTIAL, Provenance.LIVE)
"""In these states, figures that were missing before have arrived."""


_Turn = tuple[int, Point]
"""A poll, and the point from then on."""


class PollHistory:
    """Figures of the last polls. Polls are counted from 0."""

    def __init__(self, kept_polls: int = KEPT_POLLS) -> None:
        self._kept = kept_polls
        self._polls = 0
        self._heard_at: deque[int | None] = deque(maxlen=kept_polls)
        self._turns: dict[SessionKey, list[_Turn]] = {}
        self._began = 0
        self._session: Callable[[SessionKey], Session | None] = lambda key: None

    @property
    def polls(self) -> int:
        """Number of polls so far."""
        return self._polls

    def begin(self, at_ms: int, session: Callable[[SessionKey], Session | None]) -> None:
        """Record a first poll of all sessions. `session` returns a session as it is now.

        Sessions on air are kept only once their figure changes: until then it is that of the first poll.
        """
        self._began, self._session = self._polls, session
        self._count(at_ms)

    def add_poll(self, at_ms: int, changes: Iterable[Change]) -> None:
        """Record a successful poll. `at_ms` is the service's time."""
        self.add_changes(changes)
        self.end_poll(at_ms)

    def add_changes(self, changes: Iterable[Change]) -> None:
        """Record some changes of the poll that `end_poll` ends."""
        poll = self._polls
        for key, before, after in changes:
            if key not in self._turns and (known := self._known_turns(before)):
                self._turns[key] = known
            if after is None:
                self._turns.pop(key, None)
            elif after.live or key in self._turns:
                self._turn(poll, key, _point(after.live, after.active, after.provenance), after.provenance)

    def end_poll(self, at_ms: int) -> None:
        """Record that a successful poll is complete."""
        self._count(at_ms)

    def _known_turns(self, session: Session | None) -> list[_Turn]:
        """Return the turns of a session whose figure has not changed since the first poll."""
        if session is None or not session.live:
            return []
        return [(self._began, _point(session.live, session.active, session.provenance))]

    def _turns_of(self, key: SessionKey) -> list[_Turn]:
        return self._turns.get(key) or self._known_turns(self._session(key))

    def add_failure(self) -> None:
        """Record a failed poll."""
        self._count(None)

    def _count(self, at_ms: int | None) -> None:
        self._polls += 1
        self._heard_at.append(at_ms)
        if self._polls % self._kept == 0:
            self._forget(self._polls - self._kept)

    def _turn(self, poll: int, key: SessionKey, point: Point, provenance: Provenance | None) -> None:
        turns = self._turns.setdefault(key, [])
        if turns and turns[-1][1] is NoFigure.MISSING and provenance in _FILLED:
            turns[-1] = (turns[-1][0], NoFigure.BACKFILLED)
        if not turns or turns[-1][1] != point:
            turns.append((poll, point))

    def _forget(self, before: int) -> None:
        """Drop changes before a poll, and sessions that had ended by then."""
        for key, turns in list(self._turns.items()):
            keep_from = max(0, bisect_right(turns, before, key=lambda turn: turn[0]) - 1)
            del turns[:keep_from]
            if len(turns) == 1 and turns[0][1] is NoFigure.NOT_SEEN:
                del self._turns[key]

    def points(self, key: SessionKey, width: int, polls_per_point: int = 1) -> list[Point]:
        """Return the newest `width` points, oldest first, each over `polls_per_point` polls; the last one still grows.

        Points are aligned to multiples of polls, so that past points do not change.
        """
        turns = self._turns_of(key)
        if not turns or not self._polls:
            return [NoFigure.NOT_SEEN] * width
        last = (self._polls - 1) // polls_per_point
        points: list[Point] = []
        for number in range(last - width + 1, last + 1):
            first = number * polls_per_point
            points.append(merge_points([self._at(turns, poll) for poll in range(first, first + polls_per_point)]))
        return points

    def oldest(self, key: SessionKey, polls: int) -> int | None:
        """Return the oldest known figure of the last `polls` polls."""
        turns = self._turns_of(key)
        first = bisect_right(turns, self._polls - polls, key=lambda turn: turn[0]) - 1
        return next(exact_figures(point for _, point in turns[max(0, first) :]), None)

    def highest(self, key: SessionKey) -> int:
        """Return the highest kept figure."""
        return max(known_figures(point for _, point in self._turns_of(key)), default=0)

    def first_poll(self, key: SessionKey) -> int:
        """Return the oldest kept poll at which the session was known."""
        turns = self._turns_of(key)
        return max(turns[0][0], self._polls - len(self._heard_at)) if turns else self._polls

    def times(self, key: SessionKey) -> list[tuple[int, Point]]:
        """Return every kept successful poll since the session was first known: the service's time and the point."""
        turns = self._turns_of(key)
        first = self._polls - len(self._heard_at)
        return [
            (at_ms, self._at(turns, first + number))
            for number, at_ms in enumerate(self._heard_at)
            if at_ms is not None and turns and first + number >= turns[0][0]
        ]

    def _at(self, turns: list[tuple[int, Point]], poll: int) -> Point:
        place = poll - (self._polls - len(self._heard_at))
        if not 0 <= place < len(self._heard_at) or self._heard_at[place] is None:
            return NoFigure.NOT_SEEN
        turn = bisect_right(turns, poll, key=lambda turn: turn[0]) - 1
        return turns[turn][1] if turn >= 0 else NoFigure.NOT_SEEN


def _point(live: bool, active: int | None, provenance: Provenance | None) -> Point:
    if not live or active is None:
        return NoFigure.NOT_SEEN
    return lower_bound(active, NoFigure.MISSING) if provenance in OWED else active

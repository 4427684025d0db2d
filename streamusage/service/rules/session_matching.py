"""Matches the publishes that servers report to sessions, and combines servers' figures into a session's. Pure.

A publish on an origin or a standalone server makes a session with its own start time. A publish on an edge is the
same publish relayed: it joins the session it can belong to, and is a session of its own while there is none.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from streamusage.core.coverage import Provenance, worst

MATCH_TOLERANCE_MS = 60_000
"""How far the clocks of two servers, and their detection, may differ on when a publish began or ended."""


class StreamStart(NamedTuple):
    """Key of a session: the digest of its stream, and its start time."""

    stream: bytes
    start_time: int


class Anchor(NamedTuple):
    """A session that an edge's publish can join."""

    start_time: int
    end_time: int
    live: bool


class SessionPart(NamedTuple):
    """What one epoch of one server reported of a session."""

    server: str
    epoch: int
    publish_id: str
    end_time: int
    live: bool
    """Still published, according to the last report of its epoch."""
    active: int
    highest: int
    total: int
    late: bool
    epoch_is_active: bool
    owes: Provenance | None
    """`missing` or `held` where the server owes newer figures."""
    unreachable: bool = False
    """The server has been silent for longer than the edge timeout."""
    removed: bool = False
    """The server was removed in order: what it reported is final."""

    @property
    def is_live(self) -> bool:
        """Whether the publish counts as live: live in the active epoch of a server that is not removed."""
        return self.live and self.epoch_is_active and not self.removed

    @property
    def is_unseen(self) -> bool:
        """Whether the server owes newer figures, or is silent: nobody knows whether the publish continues there."""
        return self.unreachable or self.owes is not None

    @property
    def watching(self) -> int:
        """The subscribers that count as active: 0 for an ended life and for a silent or removed server."""
        gone = self.unreachable or self.removed or (self.live and not self.epoch_is_active)
        return 0 if gone else self.active

    @property
    def outdated(self) -> int:
        """The subscribers that count as active by a report from before the server's figures were overdue."""
        return self.watching if self.owes and self.is_live else 0

    @property
    def unseen(self) -> int:
        """The last known subscribers of a silent server: nobody knows whether they left."""
        return self.active if self.unreachable and self.is_live else 0


class SessionFigures(NamedTuple):
    """Figures of a session over all of its servers."""

    end_time: int
    duration: int
    active_subscribers: int
    max_subscribers: int
    lost_subscribers: int
    total_subscribers: int
    live: bool
    provenance: Provenance
    unseen_subscribers: int
    """Those of the active subscribers whose servers owe newer figures: nobody knows whether they left."""


class Anchors:
    """The sessions of one stream that edges' publishes can join.

    A search takes time in proportion to the square root of their number: a stream may have had thousands of them.
    """

    def __init__(self, anchors: Iterable[Anchor]) -> None:
        ordered = sorted(anchors)
        self._starts = [anchor.start_time for anchor in ordered]
        self._ends = [math.inf if anchor.live else anchor.end_time for anchor in ordered]
        self._block = max(1, math.isqrt(len(ordered)))
        self._last_ends = [
            max(self._ends[first : first + self._block]) for first in range(0, len(ordered), self._block)
        ]

    def match_session(self, start_time: int) -> int:
        """Return the start time of the session that an edge's publish joins: the newest that had begun and had not
        ended. Without such a session, return the publish's own start time.
        """
        before = bisect_right(self._starts, start_time + MATCH_TOLERANCE_MS)
        not_ended = start_time - MATCH_TOLERANCE_MS
        while before:
            block = (before - 1) // self._block
            first = block * self._block
            if self._last_ends[block] >= not_ended:
                for number in range(before - 1, first - 1, -1):
                    if self._ends[number] >= not_ended:
                        return self._starts[number]
            before = first
        return start_time


def is_unseen(parts: Iterable[SessionPart]) -> bool:
    """Return whether a session counts as live only by servers that are not seen."""
    live = [part for part in parts if part.is_live]
    return bool(live) and all(part.is_unseen for part in live)


def session_figures(
    start_time: int, parts: Sequence[SessionPart], largest_sum: int, newest_start: int | None = None
) -> SessionFigures:
    """Return the figures of the session that began at `start_time`.

    `newest_start` is that of the stream's newest session. If it began after all servers of this one were seen last, it
    ends this one until one of them is seen again: a publisher moved to another server. Two that were seen at once stay.

    A total adds up over servers and epochs; the number of active subscribers is taken from the newest epoch of each
    publish. The maximum is the largest sum over servers at the end of a slot (`largest_sum`), and no less than that
    of any one server. The subscribers of a silent server are neither active nor lost, so that no sum falls when it
    reports again.
    """
    newest: dict[tuple[str, str], SessionPart] = {}
    for part in sorted(parts, key=lambda part: part.epoch):
        newest[part.server, part.publish_id] = part
    live = [part for part in newest.values() if part.is_live]
    active = sum(part.watching for part in newest.values())
    total = sum(part.total for part in parts)
    end_time = max((part.end_time for part in parts), default=start_time)
    is_superseded = newest_start is not None and newest_start > end_time and is_unseen(newest.values())
    return SessionFigures(
        end_time=end_time,
        duration=max(0, end_time - start_time),
        active_subscribers=active,
        max_subscribers=max([largest_sum, *(part.highest for part in parts)]),
        lost_subscribers=max(0, total - active - sum(part.unseen for part in newest.values())),
        total_subscribers=total,
        live=bool(live) and not is_superseded,
        provenance=worst(
            [part.owes for part in live if part.owes]
            + [Provenance.BACKFILLED if part.late else Provenance.LIVE for part in newest.values()]
        )
        or Provenance.LIVE,
        unseen_subscribers=sum(part.outdated for part in live),
    )

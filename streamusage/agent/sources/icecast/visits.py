"""Lengths of visits whose log line contradicts what the listener lists showed, because Icecast's clock was set. Pure.

A line has the difference of two wall times. The second of the connect by the clock of that time is the same in lists
and log, so it identifies the visit, and the lists show when it began in elapsed time.
"""

from collections.abc import Iterable
from typing import NamedTuple

from streamusage.access_logs.icecast import IcecastLogLine
from streamusage.agent.sources.common.sample_time import Instant, ServerTime

KEEP_MS = 600_000
"""How long a listener that is no longer listed is remembered: its line may come late."""

CONTRADICTION_MS = 5_000
"""From this difference on, a length in the log contradicts the lists. Less is rounding and the delay of a page."""

STEPPED_GRANULARITY_MS = 3_000
"""Precision of a length by the lists."""


class VisitLength(NamedTuple):
    """The length of a visit, as in `EndedConnection`."""

    duration_ms: int
    granularity_ms: int


class ListedVisit(NamedTuple):
    """A listener on a list."""

    listener_id: str
    ip: str
    path: str
    """Of the mount, normalized."""
    connected_s: int | None
    """The second of its connect, by Icecast's clock of that time; None where the list does not have it."""
    age_ms: int
    """At the reading."""


class _Window(NamedTuple):
    """When a listener without a known connect appeared on a list, in elapsed time."""

    ip: str
    from_ms: int | None
    """The last reading without it; None where the first reading showed it."""
    to_ms: int


class KnownVisits:
    """The visits that the lists of one agent's run have shown."""

    def __init__(self) -> None:
        self._started_ms: dict[tuple[str, int], int] = {}
        """Elapsed time of the start, by address and second of the connect."""
        self._paths: dict[tuple[str, int], set[str]] = {}
        """The mounts that the visit was on."""
        self._appeared: dict[str, _Window] = {}
        """Listeners whose connect no list has shown, by their id."""
        self._listed_ms: dict[tuple[str, int] | str, int] = {}
        """Elapsed time at which it was listed last."""
        self._read_ms: int | None = None

    def add_reading(self, at: Instant, listed: Iterable[ListedVisit]) -> None:
        """Add the lists of a reading, after its log lines were measured."""
        for visit in listed:
            if visit.connected_s is None:
                self._appeared.setdefault(visit.listener_id, _Window(visit.ip, self._read_ms, at.elapsed_ms))
                self._listed_ms[visit.listener_id] = at.elapsed_ms
                continue
            self._appeared.pop(visit.listener_id, None)
            key = visit.ip, visit.connected_s
            self._started_ms.setdefault(key, at.elapsed_ms - visit.age_ms)
            self._paths.setdefault(key, set()).add(visit.path)
            self._listed_ms[key] = at.elapsed_ms
        for old in [key for key, listed_ms in self._listed_ms.items() if at.elapsed_ms - listed_ms > KEEP_MS]:
            del self._listed_ms[old]
            if isinstance(old, str):
                self._appeared.pop(old, None)
            else:
                del self._started_ms[old], self._paths[old]
        self._read_ms = at.elapsed_ms

    def age_ms(self, visit: ListedVisit, at: Instant, slack_ms: int) -> int:
        """Return the age of a listed visit of the last reading: its own, unless earlier lists contradict it."""
        if visit.connected_s is None:
            return at.elapsed_ms - self._appeared[visit.listener_id].to_ms
        known_ms = at.elapsed_ms - self._started_ms[visit.ip, visit.connected_s]
        return visit.age_ms if abs(known_ms - visit.age_ms) <= CONTRADICTION_MS + slack_ms else known_ms

    def was_listed(self, line: IcecastLogLine) -> bool:
        """Return whether a list showed the visit of a line, on any mount."""
        return any(key in self._started_ms for key in _keys(line))

    def was_elsewhere(self, line: IcecastLogLine) -> bool:
        """Return whether every visit that may be that of a line was on another mount, too, or on another only."""
        paths = [self._paths[key] for key in _keys(line) if key in self._paths]
        return bool(paths) and all(known != {line.path} for known in paths)

    def measure(self, line: IcecastLogLine, at: Instant, server_time: ServerTime) -> VisitLength:
        """Return the length of the visit of a line that was read at an instant, and not before."""
        logged = logged_length(line)
        started_ms = next((self._started_ms[key] for key in _keys(line) if key in self._started_ms), None)
        if started_ms is None:
            return self._widen(line, logged, at, server_time)
        if self._read_ms is None:
            return logged
        since_end_ms = server_time.low_ms - line.ended_s * 1000
        ended_ms = min(max(at.elapsed_ms - since_end_ms, self._read_ms), at.elapsed_ms)
        duration_ms = max(0, ended_ms - started_ms)
        if abs(duration_ms - line.duration_s * 1000) <= CONTRADICTION_MS + server_time.slack_ms:
            return logged
        return VisitLength(max(0, duration_ms - STEPPED_GRANULARITY_MS // 2), STEPPED_GRANULARITY_MS)

    def _widen(self, line: IcecastLogLine, logged: VisitLength, at: Instant, server_time: ServerTime) -> VisitLength:
        """Return the length with a granularity that reaches the appearance of a listener whose connect is unknown."""
        started_ms = at.elapsed_ms - (server_time.low_ms - line.ended_s * 1000) - logged.duration_ms
        slack_ms = 2 * logged.granularity_ms + server_time.slack_ms
        later_ms = [
            window.to_ms - started_ms
            for window in self._appeared.values()
            if window.ip == line.ip
            and started_ms <= window.to_ms + slack_ms
            and (window.from_ms is None or window.from_ms - slack_ms <= started_ms)
        ]
        return logged._replace(granularity_ms=max(0, *later_ms, 0) + slack_ms) if later_ms else logged


def _keys(line: IcecastLogLine) -> list[tuple[str, int]]:
    """Return the keys that the visit of a line may have: a list that was written during the tick of a second shows the
    connect a second later.
    """
    return [(line.ip, line.started_s + later_s) for later_s in (0, 1)]


def logged_length(line: IcecastLogLine) -> VisitLength:
    """Return the length in a line; 0 for a negative one."""
    return VisitLength(max(0, min(line.duration_s, line.ended_s)) * 1000, 1000)

"""HLS viewers inferred from the requests in an HTTP access log. Pure: a fold over the log's lines, in order.

A viewer is identified by the stream and a session id, or without one by the stream, the address and the user agent. It
starts with its first media segment or part, and watches from one of them to the next, unless the pause between them is
too long. A client that fetches one segment twice in full within the segment's duration is at least two viewers.
"""

from collections import Counter, deque
from collections.abc import Iterable
from itertools import islice
from typing import Literal

from streamusage.agent.reading import AudienceReading, EndedConnection
from streamusage.agent.sources.common.identifiers import short_digest
from streamusage.agent.sources.hls.requests import Fetch, HlsRequest
from streamusage.agent.sources.hls.stream_runs import StreamRuns

PROTOCOL = "hls"
COUNTER = "hls"

KEEP_LINES = 20_000
"""A viewer with one of the last so many lines is remembered, whatever the times in the log."""

KEEP_FETCHES = 16
"""How many fetched segments of a viewer are remembered, to recognize a second fetch of one."""

RESTART_DISTANCE = 1000
"""A sequence number that is lower than the newest one by more than this begins a new numbering."""

_MINUTE_MS = 60_000
_Stream = tuple[str, str]


MOST_AT_ONCE = 3
"""How many new segments that a client fetches at once show together how long one of them is."""


class _Cadence:
    """The numbers and the duration of segments, as a client's requests show them."""

    __slots__ = ("at", "duration_ms", "gaps", "increment", "newest")

    def __init__(self, sequence: int, at: int) -> None:
        self.newest = sequence
        self.at = at
        """When the newest segment was fetched first."""
        self.increment = 1
        """How much greater its number is than that of the one before."""
        self.gaps: deque[int] = deque(maxlen=2 * MOST_AT_ONCE)
        """The last pauses before a new segment, the newest first."""
        self.duration_ms: int | None = None
        """Least possible duration; None before the second segment.

        It is the shorter one of the last two pauses before a new segment. Of a client that fetches several segments at
        once, every few pauses are short: then it is the shorter mean of the last two groups of so many pauses.
        """

    def observe(self, sequence: int, at: int) -> None:
        """Take a fetched segment into account."""
        if sequence > self.newest:
            gap_ms = at - self.at if at > self.at else 0
            before_ms = self.gaps[0] if self.gaps else gap_ms
            self.gaps.appendleft(gap_ms)
            shorter_ms, longer_ms = (gap_ms, before_ms) if gap_ms < before_ms else (before_ms, gap_ms)
            self.duration_ms = shorter_ms if 2 * shorter_ms > longer_ms else max(shorter_ms, self._mean_of_groups())
            self.increment = sequence - self.newest
            self.newest, self.at = sequence, at
        elif self.newest - sequence > RESTART_DISTANCE:
            self.newest, self.at = sequence, at

    def _mean_of_groups(self) -> int:
        """Return the shorter mean of two groups of pauses in a row, for the size of groups for which it is longest."""
        counts = range(2, len(self.gaps) // 2 + 1)
        groups = ((sum(islice(self.gaps, count)), sum(islice(self.gaps, count, 2 * count)), count) for count in counts)
        return max((min(newer, older) // count for newer, older, count in groups), default=0)

    def continues_at(self, sequence: int) -> bool:
        """Return whether a number is the newest one or one of the next."""
        return 0 <= sequence - self.newest <= 3 * self.increment


class _Viewer:
    """One viewer of a client: without session ids several viewers may share an address and a user agent."""

    __slots__ = ("fetched", "last_at", "line", "other_at")

    def __init__(self, at: int) -> None:
        self.last_at = at
        """Time of its last request, in UTC milliseconds."""
        self.other_at: int | None = None
        """Time of its last request before the log went back in time: the clock was set, or a line was written late."""
        self.line = 0
        """Number of its last line."""
        self.fetched: deque[tuple[Fetch, int, int]] = deque(maxlen=KEEP_FETCHES)
        """The last files that were sent to it, with time and bytes."""

    def find_second_fetches(self, duration_ms: int, at: int, idle_after_ms: int) -> int:
        """Return since when, until `at`, it has fetched files for the second time without a pause of `idle_after_ms`:
        before the duration was known, this proved nothing. Returns `at` if it has not.
        """
        first: dict[Fetch, tuple[int, int]] = {}
        since, newest_at = at, None
        for fetch, fetched_at, bytes_out in self.fetched:
            before_at, before_bytes = first.setdefault(fetch, (fetched_at, -1))
            if bytes_out == before_bytes and abs(fetched_at - before_at) <= duration_ms:
                again_at = max(fetched_at, before_at)
                if newest_at is None or again_at - newest_at > idle_after_ms:
                    since = again_at
                newest_at = again_at
            first[fetch] = fetched_at, bytes_out
        return since if newest_at is not None and 0 <= at - newest_at <= idle_after_ms else at

    def find_fetch(self, fetch: Fetch, at: int, duration_ms: int) -> int | None:
        """Return the bytes of a file that were sent to it at most its duration ago; None if it was not."""
        for before, before_at, bytes_out in self.fetched:
            if before == fetch and abs(at - before_at) <= duration_ms:
                return bytes_out
        return None

    def follow(self, at: int, idle_after_ms: int) -> int | None:
        """Take a request into account. Return the time watched until then; None for a new visit."""
        for last_at, other_at in ((self.last_at, self.other_at), (self.other_at, self.last_at)):
            if last_at is not None and abs(at - last_at) <= idle_after_ms:
                self.last_at, self.other_at = max(last_at, at), other_at
                return max(0, at - last_at)
        if at < self.last_at:
            self.last_at, self.other_at = at, self.last_at
            return 0
        self.last_at, self.other_at = at, None
        return None


class _Client:
    """The viewers of one stream with one identity."""

    __slots__ = ("cadences", "fetches_ranges", "viewers")

    def __init__(self) -> None:
        self.fetches_ranges = False
        """Whether it fetches several ranges of one file, so that two of the same length prove nothing."""
        self.viewers: list[_Viewer] = []
        self.cadences: dict[str, _Cadence] = {}

    def find_viewer(self, request: HlsRequest, duration_ms: int) -> _Viewer | None:
        """Return the viewer to whom a fetched segment belongs; None if it proves one more viewer."""
        for viewer in self.viewers:
            bytes_before = viewer.find_fetch(request.file.fetch, request.at, duration_ms)
            if bytes_before is None or not self._is_full_again(request, bytes_before):
                return viewer
        return None

    def _is_full_again(self, request: HlsRequest, bytes_before: int) -> bool:
        """Return whether a second fetch of a file was in full, as the first one. `bytes_before` were sent first.

        Many players request the range of the whole file: its length is the same then. A transfer that was aborted and
        repeated is one fetch.
        """
        if request.status == 206:
            self.fetches_ranges = self.fetches_ranges or request.bytes_out != bytes_before
            return not self.fetches_ranges
        return min(request.bytes_out, bytes_before) * 20 >= max(request.bytes_out, bytes_before) * 19


class _WatchedTimes:
    """View time of all viewers, by stream and minute."""

    def __init__(self) -> None:
        self._times: dict[_Stream, dict[int, list[int]]] = {}
        """Watched milliseconds, and the interval in which they lie."""

    def add(self, stream: _Stream, to_ms: int, watched_ms: int) -> None:
        """Add the time that a viewer watched before `to_ms`."""
        from_ms = to_ms - watched_ms
        minutes = self._times.get(stream)
        if minutes is None:
            minutes = self._times[stream] = {}
        while from_ms < to_ms:
            minute = from_ms // _MINUTE_MS
            end_ms = (minute + 1) * _MINUTE_MS
            end_ms = to_ms if to_ms < end_ms else end_ms
            time = minutes.get(minute)
            if time is None:
                minutes[minute] = [end_ms - from_ms, from_ms, end_ms]
            else:
                time[0] += end_ms - from_ms
                time[1] = from_ms if from_ms < time[1] else time[1]
                time[2] = end_ms if end_ms > time[2] else time[2]
            from_ms = end_ms

    def entries(self) -> list[EndedConnection]:
        """Return an entry for each stream and minute."""
        return [
            _log_entry("watch", stream, to_ms, duration_ms=to_ms - from_ms, watched_ms=watched_ms)
            for stream, minutes in self._times.items()
            for watched_ms, from_ms, to_ms in minutes.values()
        ]


class HlsViewers:
    """The viewers at a position in the log."""

    def __init__(self, idle_after_ms: int) -> None:
        self._idle_after_ms = idle_after_ms
        self._clients: dict[tuple[_Stream, str], _Client] = {}
        self._lines = 0
        self._newest_at = self._newest_at_before = 0
        """Newest times of the last lines, and of those before them."""
        self._step = (0, 0)
        """Times between which the log's clock stepped forward, or nobody watched."""
        self._cleaned_at = 0
        self._present: dict[_Viewer, _Stream] = {}
        """Viewers who are counted as present, the one with the oldest request first."""
        self._audiences: Counter[_Stream] = Counter()
        """Number of present viewers of each stream."""
        self.runs = StreamRuns(idle_after_ms)
        """When the streams were on air."""
        self.is_inferred = False
        """Whether the last `fold` counted a viewer without a session id."""

    def fold(self, requests: Iterable[HlsRequest]) -> list[EndedConnection]:
        """Apply requests in order. Returns the joins, the watched time and the bytes of all requests."""
        traffic: dict[_Stream, int] = {}
        joins: list[EndedConnection] = []
        watched = _WatchedTimes()
        last_at = 0
        self.is_inferred = False
        for request in requests:
            stream = request.file.stream
            traffic[stream] = traffic.get(stream, 0) + request.bytes_out
            last_at = request.at
            if request.standing != "watching":
                continue
            if not request.has_session:
                self.is_inferred = True
            is_new, watched_ms = self._watch(request)
            if is_new:
                joins.append(_log_entry("join", stream, request.at))
            if watched_ms:
                watched.add(stream, request.at, watched_ms)
        self._remove_idle()
        others = [_log_entry("other", stream, last_at, bytes_out=bytes_out) for stream, bytes_out in traffic.items()]
        return [*others, *joins, *watched.entries()]

    def _watch(self, request: HlsRequest) -> tuple[bool, int]:
        """Return whether a request begins a visit, and how long its viewer watched until then."""
        at, file = request.at, request.file
        self._count_line(at)
        key = (file.stream, request.viewer)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = _Client()
        viewer = client.viewers[0] if client.viewers else None
        cadence, continues, sequence = client.cadences.get(file.kind), False, file.sequence
        if sequence is not None:
            if cadence is None:
                client.cadences[file.kind] = _Cadence(sequence, at)
            else:
                continues = cadence.continues_at(sequence)
                # A number that is greater than all before was not fetched before.
                if sequence <= cadence.newest and request.status != 304 and cadence.duration_ms is not None:
                    viewer = client.find_viewer(request, cadence.duration_ms)
                cadence.observe(sequence, at)
        is_new, watched_ms = False, 0
        if viewer is None:
            is_new, watched_ms = True, self._watched_before(client, at)
            viewer = _Viewer(at)
            client.viewers.append(viewer)
        elif 0 <= (since_ms := at - viewer.last_at) <= self._idle_after_ms:
            viewer.last_at = at
            watched_ms = since_ms
        else:
            is_new, watched_ms = self._follow(viewer, at, continues=continues)
        viewer.line = self._lines
        if self._present.pop(viewer, None) is None:
            self._audiences[file.stream] += 1
        self._present[viewer] = file.stream
        if sequence is not None and request.status != 304:
            viewer.fetched.append((file.fetch, at, request.bytes_out))
        self.runs.add_segment(file.stream, at, is_new_visit=is_new)
        return is_new, watched_ms

    def _watched_before(self, client: _Client, at: int) -> int:
        """Return how long one more viewer watched before a segment proved it."""
        durations = [cadence.duration_ms for cadence in client.cadences.values() if cadence.duration_ms is not None]
        if not client.viewers or not durations:
            return 0
        return max(0, at - client.viewers[-1].find_second_fetches(max(durations), at, self._idle_after_ms))

    def _follow(self, viewer: _Viewer, at: int, *, continues: bool) -> tuple[bool, int]:
        before, after = self._step
        is_over_step = after <= at <= after + self._idle_after_ms and viewer.last_at >= before - self._idle_after_ms
        watched_ms = viewer.follow(at, self._idle_after_ms)
        # The clock was set forward: the next segment shows that the viewer continued to watch.
        return watched_ms is None and not (is_over_step and continues), watched_ms or 0

    def _count_line(self, at: int) -> None:
        self._lines += 1
        if at > self._newest_at:
            if at - self._newest_at > self._idle_after_ms:
                newest_at = max(self._newest_at, self._newest_at_before)
                if newest_at and at - newest_at > self._idle_after_ms:
                    self._step = newest_at, at
            self._newest_at = at
        if self._lines % KEEP_LINES == 0:
            self._newest_at_before, self._newest_at = self._newest_at, 0

    def _remove_idle(self) -> None:
        """Remove viewers who left, by the log's own time: the log may be read long after it was written.

        Those with a recent line stay: after the clock was set back, older lines have later times.
        """
        newest_at = max(self._newest_at, self._newest_at_before)
        if 0 <= newest_at - self._cleaned_at < self._idle_after_ms // 4:
            return
        self._cleaned_at = newest_at
        before, after = self._step
        since = (before if newest_at - after <= self._idle_after_ms else newest_at) - self._idle_after_ms
        for key, client in list(self._clients.items()):
            client.viewers = [
                viewer for viewer in client.viewers if viewer.last_at >= since or self._lines - viewer.line < KEEP_LINES
            ]
            if not client.viewers:
                del self._clients[key]
        self.runs.remove_before(since)

    def audiences(self, at: int) -> tuple[AudienceReading, ...]:
        """Return the number of viewers of each stream at a time in UTC milliseconds."""
        since = at - self._idle_after_ms
        while self._present and (viewer := next(iter(self._present))).last_at < since:
            self._audiences[self._present.pop(viewer)] -= 1
        self._audiences += Counter()
        return tuple(
            AudienceReading(
                key=short_digest(scope, name), scope=scope, name=name, protocol=PROTOCOL, viewers=count, shown_only=True
            )
            for (scope, name), count in self._audiences.items()
        )


def _log_entry(
    kind: Literal["other", "join", "watch"],
    stream: _Stream,
    ended_at: int,
    *,
    bytes_out: int = 0,
    duration_ms: int = 0,
    watched_ms: int = 0,
) -> EndedConnection:
    return EndedConnection(
        connection_id="",
        kind=kind,
        scope=stream[0],
        name=stream[1],
        protocol=PROTOCOL,
        ended_at=ended_at,
        duration_ms=duration_ms,
        granularity_ms=0,
        bytes_in=0,
        bytes_out=bytes_out,
        counter=COUNTER,
        watched_ms=watched_ms,
    )

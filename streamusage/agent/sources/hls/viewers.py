"""HLS viewers inferred from the requests in an HTTP access log. Pure: a fold over the log's lines, in order.

A viewer is identified by the stream and a session id, or without one by the stream, the address and the user agent. It
starts with its first media segment or part, and watches from one of them to the next, unless the pause between them is
too long. A client that fetches one segment twice in full within the segment's duration is at least two viewers.
"""

from collections.abc import Iterable
from typing import Literal

from streamusage.agent.reading import AudienceReading, EndedConnection
from streamusage.agent.sources.common.identifiers import short_digest
from streamusage.agent.sources.hls.requests import HlsRequest
from streamusage.agent.sources.hls.stream_runs import StreamRuns

PROTOCOL = "hls"
COUNTER = "hls"

KEEP_LINES = 20_000
"""A viewer with one of the last so many lines is remembered, whatever the times in the log."""

KEEP_FETCHES = 8
"""How many fetched segments of a viewer are remembered, to recognize a second fetch of one."""

RESTART_DISTANCE = 1000
"""A sequence number that is lower than the newest one by more than this begins a new numbering."""

_MINUTE_MS = 60_000
_Fetch = tuple[str, str, int]
"""Kind, rendition and sequence number of a fetched file."""


class _Cadence:
    """The duration of a stream's segments, as a client's requests show it."""

    __slots__ = ("_at", "_gap_before_ms", "_gap_ms", "_newest")

    def __init__(self) -> None:
        self._newest = self._at = -1
        self._gap_ms: int | None = None
        self._gap_before_ms: int | None = None

    @property
    def duration_ms(self) -> int | None:
        """Least possible duration: the shorter one of the last two pauses before a new segment; None before one."""
        if self._gap_ms is None or self._gap_before_ms is None:
            return self._gap_ms
        return min(self._gap_ms, self._gap_before_ms)

    def observe(self, sequence: int, at: int) -> None:
        """Take a fetched segment into account."""
        if sequence > self._newest >= 0:
            self._gap_ms, self._gap_before_ms = max(0, at - self._at), self._gap_ms
            self._newest, self._at = sequence, at
        elif self._newest - sequence > RESTART_DISTANCE or self._newest < 0:
            self._newest, self._at = sequence, at


class _Seat:
    """One viewer of a client: without session ids several viewers may share an address and a user agent."""

    __slots__ = ("fetched", "last_at", "line", "numbers", "other_at", "watched_from", "watched_ms", "watched_to")

    def __init__(self, at: int, line: int) -> None:
        self.last_at = at
        """Time of its last request, in UTC milliseconds."""
        self.other_at: int | None = None
        """Time of its last request before the log went back in time: the clock was set, or a line was written late."""
        self.line = line
        """Number of its last line."""
        self.fetched: dict[_Fetch, tuple[int, int]] = {}
        """Time and bytes of the last files that it fetched in full."""
        self.numbers: dict[str, tuple[int, int]] = {}
        """By kind: its last sequence number, and how much greater that was than the one before."""
        self.watched_from = self.watched_to = self.watched_ms = 0
        """View time that is not returned yet: an interval, and the time watched in it."""

    def has_fetched(self, fetch: _Fetch, at: int, bytes_out: int, duration_ms: int) -> bool:
        """Return whether it fetched this file in full less than its duration ago."""
        before = self.fetched.get(fetch)
        if before is None or abs(at - before[0]) > duration_ms:
            return False
        # A transfer that was aborted and repeated is one fetch.
        return min(bytes_out, before[1]) * 20 >= max(bytes_out, before[1]) * 19

    def remember_fetch(self, fetch: _Fetch, at: int, bytes_out: int) -> None:
        """Remember a file that it fetched in full."""
        self.fetched.pop(fetch, None)
        self.fetched[fetch] = (at, bytes_out)
        if len(self.fetched) > KEEP_FETCHES:
            del self.fetched[next(iter(self.fetched))]

    def continues_at(self, kind: str, sequence: int | None) -> bool:
        """Return whether a sequence number is one of the next after the last one."""
        if sequence is None or kind not in self.numbers:
            return False
        last, increment = self.numbers[kind]
        return 0 < sequence - last <= 3 * max(1, increment)

    def remember_number(self, kind: str, sequence: int) -> None:
        """Remember the sequence number of a request."""
        last, increment = self.numbers.get(kind, (sequence, 1))
        self.numbers[kind] = sequence, sequence - last if sequence > last else increment

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

    __slots__ = ("cadences", "seats")

    def __init__(self) -> None:
        self.seats: list[_Seat] = []
        self.cadences: dict[str, _Cadence] = {}

    def find_seat(self, request: HlsRequest) -> _Seat | None:
        """Return the viewer to whom a request belongs; None if it proves one more viewer."""
        sequence = request.sequence
        if sequence is None:
            return self.seats[0] if self.seats else None
        cadence = self.cadences.get(request.kind)
        if cadence is None:
            cadence = self.cadences[request.kind] = _Cadence()
        duration_ms = cadence.duration_ms
        cadence.observe(sequence, request.at)
        if not self.seats:
            return None
        if not request.is_full or duration_ms is None:
            return self.seats[0]
        fetch = (request.kind, request.rendition, sequence)
        for seat in self.seats:
            if not seat.has_fetched(fetch, request.at, request.bytes_out, duration_ms):
                return seat
        return None


class HlsViewers:
    """The viewers at a position in the log."""

    def __init__(self, idle_after_ms: int) -> None:
        self._idle_after_ms = idle_after_ms
        self._clients: dict[tuple[str, str, str], _Client] = {}
        self._lines = 0
        self._newest_at = self._newest_at_before = 0
        """Newest times of the last lines, and of those before them."""
        self._step = (0, 0)
        """Times between which the log's clock stepped forward, or nobody watched."""
        self._cleaned_at = 0
        self.runs = StreamRuns(idle_after_ms)
        """When the streams were on air."""
        self.is_inferred = False
        """Whether the last `fold` counted a viewer without a session id."""

    def fold(self, requests: Iterable[HlsRequest]) -> list[EndedConnection]:
        """Apply requests in order. Returns the joins, the watched time and the bytes of all requests."""
        traffic: dict[tuple[str, str, int], tuple[int, int]] = {}
        joins: list[EndedConnection] = []
        watches: list[EndedConnection] = []
        touched: dict[int, tuple[_Seat, HlsRequest]] = {}
        self.is_inferred = False
        for request in requests:
            minute = (request.scope, request.name, request.at // _MINUTE_MS)
            bytes_out, at = traffic.get(minute, (0, 0))
            traffic[minute] = bytes_out + request.bytes_out, max(at, request.at)
            if request.standing != "watching":
                continue
            self.is_inferred = self.is_inferred or not request.has_session
            seat, watched_ms = self._seat(request)
            if watched_ms is None:
                joins.append(_log_entry(request, "join", request.at))
            elif watched_ms:
                if seat.watched_ms and seat.watched_to != request.at - watched_ms:
                    watches.append(_watch_entry(seat, request))
                if not seat.watched_ms:
                    seat.watched_from = request.at - watched_ms
                    touched[id(seat)] = seat, request
                seat.watched_to = request.at
                seat.watched_ms += watched_ms
        watches.extend(_watch_entry(seat, request) for seat, request in touched.values() if seat.watched_ms)
        self._remove_idle()
        others = [
            EndedConnection(
                connection_id="",
                kind="other",
                scope=scope,
                name=name,
                protocol=PROTOCOL,
                ended_at=at,
                duration_ms=0,
                granularity_ms=0,
                bytes_in=0,
                bytes_out=bytes_out,
                counter=COUNTER,
            )
            for (scope, name, _), (bytes_out, at) in traffic.items()
        ]
        return [*others, *joins, *watches]

    def _seat(self, request: HlsRequest) -> tuple[_Seat, int | None]:
        """Return the viewer of a request, and how long it watched until then; None for a new visit."""
        self._lines += 1
        self._notice_step(request.at)
        key = (request.scope, request.name, request.viewer)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = _Client()
        seat = client.find_seat(request)
        is_over_step = False
        if seat is None:
            seat, watched_ms = _Seat(request.at, self._lines), None
            client.seats.append(seat)
        else:
            is_over_step = request.at - seat.last_at > self._idle_after_ms
            watched_ms = self._follow(seat, request)
            is_over_step = is_over_step and watched_ms is not None
        self.runs.see_segment(request.scope, request.name, request.at, is_over_step=is_over_step)
        seat.line = self._lines
        if request.sequence is not None:
            seat.remember_number(request.kind, request.sequence)
            if request.is_full:
                seat.remember_fetch((request.kind, request.rendition, request.sequence), request.at, request.bytes_out)
        return seat, watched_ms

    def _follow(self, seat: _Seat, request: HlsRequest) -> int | None:
        last_at = seat.last_at
        watched_ms = seat.follow(request.at, self._idle_after_ms)
        if watched_ms is None and self._is_over_step(request.at) and last_at >= self._step[0] - self._idle_after_ms:
            # The clock was set forward: the next segment shows that the viewer continued to watch.
            return 0 if seat.continues_at(request.kind, request.sequence) else None
        return watched_ms

    def _notice_step(self, at: int) -> None:
        newest_at = max(self._newest_at, self._newest_at_before)
        if newest_at and at - newest_at > self._idle_after_ms:
            self._step = newest_at, at
        self._newest_at = max(self._newest_at, at)
        if self._lines % KEEP_LINES == 0:
            self._newest_at_before, self._newest_at = self._newest_at, 0

    def _is_over_step(self, at: int) -> bool:
        """Return whether the log's clock stepped forward at most `idle_after` before a time."""
        return self._step[1] <= at <= self._step[1] + self._idle_after_ms

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
            client.seats = [
                seat for seat in client.seats if seat.last_at >= since or self._lines - seat.line < KEEP_LINES
            ]
            if not client.seats:
                del self._clients[key]
        self.runs.remove_before(since)

    def audiences(self, at: int) -> tuple[AudienceReading, ...]:
        """Return the number of viewers of each stream at a time in UTC milliseconds."""
        counts: dict[tuple[str, str], int] = {}
        for (scope, name, _), client in self._clients.items():
            present = sum(at - seat.last_at <= self._idle_after_ms for seat in client.seats)
            if present:
                counts[scope, name] = counts.get((scope, name), 0) + present
        return tuple(
            AudienceReading(
                key=short_digest(scope, name), scope=scope, name=name, protocol=PROTOCOL, viewers=count, shown_only=True
            )
            for (scope, name), count in counts.items()
        )


def _watch_entry(seat: _Seat, request: HlsRequest) -> EndedConnection:
    """Return the view time of a viewer that is not returned yet."""
    entry = _log_entry(request, "watch", seat.watched_to, seat.watched_ms)
    seat.watched_from = seat.watched_to = seat.watched_ms = 0
    return entry


def _log_entry(
    request: HlsRequest, kind: Literal["join", "watch"], ended_at: int, duration_ms: int = 0
) -> EndedConnection:
    return EndedConnection(
        connection_id="",
        kind=kind,
        scope=request.scope,
        name=request.name,
        protocol=PROTOCOL,
        ended_at=ended_at,
        duration_ms=duration_ms,
        granularity_ms=0,
        bytes_in=0,
        bytes_out=0,
        counter=COUNTER,
    )

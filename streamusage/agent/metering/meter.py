"""The meter: turns readings, which are cumulative, into additions to slots, sessions and samples.

Pure: `step(state, reading)` gives the next state and what to add. The caller writes both in one transaction; written
apart, a crash between them would count twice or not at all. Where things are known only up to a bound the meter says so
by a span (`partial`, `lost`) and never guesses.

Bytes come from the server's own counters. Connections count in the slot in which they start, view time in the slots
in which it passes. What the server's log says of a session that ended replaces what polling saw of it.
"""

from collections import Counter

import msgspec

from streamusage.agent.metering import audiences, counters
from streamusage.agent.metering.additions import Additions, SpanAddition
from streamusage.agent.metering.past_boots import with_lines
from streamusage.agent.metering.peaks import is_full, measure
from streamusage.agent.metering.publishes import Publishes
from streamusage.agent.metering.viewer_matching import viewer_of
from streamusage.agent.reading import EndedConnection, Reading
from streamusage.api.report import Baseline, OpenAudience, PeakWindow, RetiredBoot, ViewerRow
from streamusage.core.coverage import Interval, by_slot, slot_of, spread
from streamusage.core.reasons import NO_READING, RESTARTED, WORKER_REPLACED
from streamusage.core.usage import StreamId

LONGEST_BLIND_MS = 60_000
"""Without a log of ended sessions, a pause between readings longer than this is covered only in part."""

LONGEST_AWAY_MS = 40 * 24 * 3600 * 1000
"""No agent was away for longer: the clock was wrong. Units are filed within so much time before the reading."""

CLOCK_STEP_MS = 1_000
"""A difference between wall time and elapsed time from which the wall clock was set, and elapsed time is the truth."""

RETIRED_FOR_MS = 24 * 3600 * 1000
"""For how long the log may still bring sessions of an earlier boot, or lines of viewers that left unseen."""

UNSEEN_PROTOCOL = "unknown"
"""Of connections that came and went between two readings, and only a count of the server told of."""


class MeterState(msgspec.Struct, frozen=True):
    """What the next reading is compared with."""

    baseline: Baseline
    viewers: dict[str, ViewerRow]
    """Viewer connections that are counted and not known to have ended, by `boot/id`."""


def first(reading: Reading) -> tuple[MeterState, Additions]:
    """The state after the first reading of a server: accounting begins here, with the viewers that are connected."""
    origin = MeterState(
        Baseline(
            at=reading.at,
            boot=reading.boot,
            started_at=reading.started_at,
            since=reading.at,
            bytes_in=reading.bytes_in,
            bytes_out=reading.bytes_out,
            window=PeakWindow(reading.at, reading.bytes_in, reading.bytes_out),
            cursor=reading.cursor,
            counters=counters.opened(reading.counters),
            accepted=reading.accepted,
            accounted=max(0, (reading.accepted or 0) - _present(reading)),
        ),
        {},
    )
    return step(origin, msgspec.structs.replace(reading, ended=()))


def _present(reading: Reading) -> int:
    return len(reading.viewers) + sum(audience.viewers for audience in reading.audiences)


def step(state: MeterState, reading: Reading) -> tuple[MeterState, Additions]:
    """The state after a reading, and what the reading adds to the rows.

    The wall clock may have stepped back: units are then filed at the last reading, and none is lost.
    """
    return _Step(state, reading).run()


class _Step:
    """One step at work: what was before, what is new, and the additions as they grow."""

    def __init__(self, state: MeterState, reading: Reading) -> None:
        self.before = state.baseline
        self.reading = reading
        self.at = max(reading.at, state.baseline.at)
        was_set_ms = self._was_set_ms()
        self.passed_ms = max(0, min(reading.at - self.before.at - was_set_ms, LONGEST_AWAY_MS))
        """How much time really passed since the reading before."""
        self.covers_from = max(self.before.at, self.at - self.passed_ms)
        """Where the time that this reading is about begins: the reading before, unless the clock was set forward."""
        self.same_boot = (
            reading.boot == state.baseline.boot.partition("~")[0]
            and reading.bytes_in >= state.baseline.bytes_in
            and reading.bytes_out >= state.baseline.bytes_out
        )
        self.boot = self._boot_name()
        self.retired = [boot for boot in state.baseline.retired if self.at - boot.started_at < RETIRED_FOR_MS][-8:]
        self.logged_in, self.logged_out = state.baseline.logged_in, state.baseline.logged_out
        self.viewers = dict(state.viewers)
        self.logged: dict[str, tuple[int, int]] = {}
        self.connections = 0
        """How many this reading counts."""
        self.additions = Additions()
        self.publishes = Publishes(state.baseline.publishes, self.before.at, self.at, self.additions)
        if was_set_ms:
            self._set_times(was_set_ms)

    def run(self) -> tuple[MeterState, Additions]:
        if not self.same_boot:
            self._retire_boot()
        self._cover()
        self._count_bytes()
        self.publishes.see(self.reading.publishes, self.boot)
        seen_viewers = self._see_viewers()
        for line in self.reading.ended:
            self._end(line, seen_viewers)
        self._miss_viewers(seen_viewers)
        self.publishes.miss()
        audience, shown = self._count_audiences()
        self._count_subscribers(seen_viewers, shown)
        accounted = self._count_nameless()
        moved = self._count_counters()
        window = self._measure_peak(moved)
        baseline = Baseline(
            at=self.at,
            boot=self.boot,
            started_at=self.reading.started_at if not self.same_boot else self.before.started_at,
            since=self.before.since,
            bytes_in=self.reading.bytes_in,
            bytes_out=self.reading.bytes_out,
            window=window,
            run=self.reading.run,
            elapsed_ms=self.reading.elapsed_ms,
            publishes=self.publishes.live,
            logged_in=self.logged_in,
            logged_out=self.logged_out,
            cursor=self.reading.cursor,
            retired=tuple(self.retired),
            counters=moved.counters,
            moved_in=self.before.moved_in + moved.bytes_in,
            moved_out=self.before.moved_out + moved.bytes_out,
            audiences=audience,
            accepted=self.reading.accepted,
            accounted=accounted,
        )
        return MeterState(baseline, self.viewers), self.additions

    def _was_set_ms(self) -> int:
        """By how much the wall clock was set since the reading before; elapsed time knows, within one run."""
        elapsed_ms = self.reading.elapsed_ms - self.before.elapsed_ms
        if not self.reading.run or self.reading.run != self.before.run or elapsed_ms < 0:
            return 0
        set_ms = self.reading.at - self.before.at - elapsed_ms
        return set_ms if abs(set_ms) > CLOCK_STEP_MS else 0

    def _set_times(self, by_ms: int) -> None:
        """Puts what is remembered by the wall clock on the clock as it is now."""
        self.before = msgspec.structs.replace(self.before, started_at=max(0, self.before.started_at + by_ms))
        self.retired = [msgspec.structs.replace(boot, started_at=boot.started_at + by_ms) for boot in self.retired]
        for viewer in list(self.viewers.values()):
            counted_to = None if viewer.counted_to is None else viewer.counted_to + by_ms
            self._put_viewer(
                msgspec.structs.replace(viewer, started_at=max(0, viewer.started_at + by_ms), counted_to=counted_to)
            )

    def _boot_name(self) -> str:
        """The boot's identity. Counters that went down under the same name are another boot: it gets a suffix."""
        if self.same_boot:
            return self.before.boot
        raw, _, generation = self.before.boot.partition("~")
        return f"{raw}~{int(generation or 0) + 1}" if raw == self.reading.boot else self.reading.boot

    def _retire_boot(self) -> None:
        """The boot before is over. Its log lines may still come (a draining worker); its counters will not."""
        before = self.before
        if self.reading.logs_ends:
            self.retired.append(
                RetiredBoot(
                    boot=before.boot,
                    started_at=before.started_at,
                    bytes_in=before.bytes_in,
                    bytes_out=before.bytes_out,
                    logged_in=self.logged_in,
                    logged_out=self.logged_out,
                )
            )
        self.logged_in = self.logged_out = 0

    def _cover(self) -> None:
        before, at = self.covers_from, self.at
        if at <= before:
            return
        if self.same_boot:
            self.additions.spans.append(self._span(before, NO_READING if self._is_blind() else self.reading.misses))
            return
        began = min(self.reading.started_at, at)
        if began <= before:
            self.additions.spans.append(SpanAddition(before, at, "partial", WORKER_REPLACED))
            return
        self.additions.spans.append(
            SpanAddition(before, began, "partial" if self.reading.logs_ends else "lost", RESTARTED)
        )
        if began < at:
            self.additions.spans.append(self._span(began, self.reading.misses))

    def _span(self, from_ms: int, misses: str) -> SpanAddition:
        return (
            SpanAddition(from_ms, self.at, "partial", misses) if misses else SpanAddition(from_ms, self.at, "counted")
        )

    def _is_blind(self) -> bool:
        return not self.reading.logs_ends and self.passed_ms > LONGEST_BLIND_MS

    def _count_bytes(self) -> None:
        began = self.covers_from if self.same_boot else max(self.covers_from, min(self.reading.started_at, self.at))
        base_in, base_out = (self.before.bytes_in, self.before.bytes_out) if self.same_boot else (0, 0)
        self._add_bytes(Interval(began, self.at), self.reading.bytes_in - base_in, self.reading.bytes_out - base_out)

    def _add_bytes(self, interval: Interval, bytes_in: int, bytes_out: int) -> None:
        if bytes_in:
            for slot, share in spread(bytes_in, interval):
                self.additions.slot(slot).bytes_in += share
        if bytes_out:
            for slot, share in spread(bytes_out, interval):
                self.additions.slot(slot).bytes_out += share

    def _see_viewers(self) -> set[str]:
        """The viewer connections that are open now: the new ones are counted, all accrue view time up to now."""
        seen = set()
        stayed = 0
        for viewer in self.reading.viewers:
            viewer_id = f"{self.boot}/{viewer.viewer_id}"
            seen.add(viewer_id)
            known = self.viewers.get(viewer_id)
            if known is None:
                started_at = self.at - viewer.age_ms
                self._put_viewer(
                    ViewerRow(
                        viewer_id=viewer_id,
                        revision=0,
                        open=True,
                        scope=viewer.scope,
                        name=viewer.name,
                        protocol=viewer.protocol,
                        started_at=started_at,
                    )
                )
                self._count_connection(viewer.protocol, started_at)
                self._add_view_time(max(started_at, self.before.since), self.at)
            elif known.counted_to is not None:
                self._add_view_time(known.counted_to, self.at)
                self._put_viewer(msgspec.structs.replace(known, counted_to=None))
            else:
                stayed += 1
        if stayed:
            self._add_watched(stayed)
        return seen

    def _count_connection(self, protocol: str, started_at: int, number: int = 1) -> None:
        self.additions.slot(slot_of(max(started_at, self.before.since))).connections[protocol] += number
        self.connections += number

    def _add_watched(self, viewers: int) -> None:
        """View time of viewers who were there all the time since the reading before."""
        for slot, share in spread(self.passed_ms * viewers, Interval(self.covers_from, self.at)):
            self.additions.slot(slot).view_time_ms += share

    def _add_view_time(self, from_ms: int, to_ms: int, viewers: int = 1) -> None:
        for slot, piece in by_slot(Interval(from_ms, to_ms)):
            self.additions.slot(slot).view_time_ms += piece.length_ms * viewers

    def _put_viewer(self, viewer: ViewerRow) -> None:
        self.viewers[viewer.viewer_id] = viewer
        self.additions.viewers[viewer.viewer_id] = viewer

    def _close_viewer(self, viewer: ViewerRow) -> None:
        self.viewers.pop(viewer.viewer_id, None)
        self.additions.viewers[viewer.viewer_id] = msgspec.structs.replace(viewer, open=False)

    def _end(self, line: EndedConnection, seen_viewers: set[str]) -> None:
        ended_at = min(line.ended_at, self.at)
        started_at = ended_at - line.duration_ms
        known = self._viewer_of(line, started_at, seen_viewers) if line.kind == "play" else None
        boot = known.viewer_id.rpartition("/")[0] if known else self._boot_at(started_at)
        self._credit(boot, ended_at, line)
        if line.kind == "publish":
            self.publishes.end(f"{boot}/{line.connection_id}", line, started_at, ended_at)
        elif known is not None:
            self._end_known_viewer(known, ended_at, seen_viewers)
        elif line.kind in ("play", "join"):
            self._count_connection(line.protocol, started_at)
            self.publishes.join_unseen(StreamId(line.scope, line.name), ended_at)
        if known is None and line.kind in ("play", "watch"):
            self._add_view_time(max(started_at, self.before.since), ended_at)

    def _viewer_of(self, line: EndedConnection, started_at: int, seen: set[str]) -> ViewerRow | None:
        boots = [self.boot, self.before.boot, *(retired.boot for retired in reversed(self.retired))]
        return viewer_of(line, started_at, self.viewers, boots, seen)

    def _boot_at(self, started_at: int) -> str:
        """The boot in which a connection began that no reading saw, by the latest instant at which it can have begun.

        In doubt it is the present boot: its counters have the bytes already, and none is counted twice.
        """
        began = self.before.started_at if self.same_boot else self.reading.started_at
        is_earlier = started_at < began - self.reading.started_granularity_ms
        return self.retired[-1].boot if self.retired and is_earlier else self.boot

    def _credit(self, boot: str, ended_at: int, line: EndedConnection) -> None:
        """Adds a line's bytes to its boot's sum. Of a boot that is over, what exceeds its last counters is new."""
        if line.counter:
            logged_in, logged_out = self.logged.get(line.counter, (0, 0))
            self.logged[line.counter] = logged_in + line.bytes_in, logged_out + line.bytes_out
            return
        if boot == self.boot:
            self.logged_in += line.bytes_in
            self.logged_out += line.bytes_out
            return
        for index, retired in enumerate(self.retired):
            if retired.boot == boot:
                self.retired[index], more_in, more_out = with_lines(retired, line.bytes_in, line.bytes_out)
                self._add_bytes(Interval(ended_at, ended_at), more_in, more_out)

    def _end_known_viewer(self, viewer: ViewerRow, ended_at: int, seen: set[str]) -> None:
        if viewer.viewer_id in seen:
            # It left between the look at the server and the look at its log, and was counted up to now: take that back.
            seen.discard(viewer.viewer_id)
            known_before = viewer.started_at <= self.covers_from
            self._add_view_time(max(ended_at, self.covers_from if known_before else 0), self.at, -1)
        else:
            counted_to = self.covers_from if viewer.counted_to is None else viewer.counted_to
            self._add_view_time(counted_to, ended_at)
        self._close_viewer(viewer)

    def _miss_viewers(self, seen: set[str]) -> None:
        """Viewers that are gone without a line: their line may still come where there is a log; else they ended."""
        for viewer in list(self.viewers.values()):
            if viewer.viewer_id in seen:
                continue
            if not self.reading.logs_ends:
                self._close_viewer(viewer)
            elif viewer.counted_to is None:
                self._put_viewer(msgspec.structs.replace(viewer, counted_to=self.covers_from))
            elif self.at - viewer.counted_to > RETIRED_FOR_MS:
                self._close_viewer(viewer)

    def _count_audiences(self) -> tuple[tuple[OpenAudience, ...], list[audiences.Counted]]:
        """Viewers who cannot be told apart: how many there were, and how long."""
        now, shown = audiences.advance(self.before.audiences, self.reading.audiences, self.boot)
        for counted in shown:
            if counted.joined:
                self._count_connection(counted.reading.protocol, self.at, counted.joined)
            if counted.watched and not self._is_blind():
                self._add_watched(counted.watched)
        return now, shown

    def _count_nameless(self) -> int:
        """Connections that only the server's own count told of. Returns how many of it are accounted for."""
        if self.reading.accepted is None:
            return 0
        before = self.before if self.same_boot else None
        unseen, accounted = audiences.nameless(
            before.accepted if before else None, before.accounted if before else 0, self.connections
        )
        if unseen:
            self.additions.slot(slot_of(self.covers_from)).connections[UNSEEN_PROTOCOL] += unseen
        return accounted

    def _count_counters(self) -> counters.CounterDifference:
        moved = counters.advance(self.before.counters, self.reading.counters, self.logged, self.at)
        self._add_bytes(Interval(self.covers_from, self.at), moved.bytes_in, moved.bytes_out)
        return moved

    def _count_subscribers(self, seen_viewers: set[str], shown: list[audiences.Counted]) -> None:
        active: Counter[StreamId] = Counter()
        joined: Counter[StreamId] = Counter()
        for counted in shown:
            stream = StreamId(counted.reading.scope, counted.reading.name)
            active[stream] += counted.reading.viewers
            joined[stream] += counted.joined
        for viewer_id in seen_viewers:
            viewer = self.viewers[viewer_id]
            stream = StreamId(viewer.scope, viewer.name)
            active[stream] += 1
            publish_id = self.publishes.seen.get(stream)
            if publish_id is not None and viewer.publish_id != publish_id:
                joined[stream] += 1
                self._put_viewer(msgspec.structs.replace(viewer, publish_id=publish_id))
        self.publishes.count(active, joined)

    def _measure_peak(self, moved: counters.CounterDifference) -> PeakWindow:
        """Closes the window once it is long enough; a restart begins a new one."""
        now = PeakWindow(
            self.at,
            self.reading.bytes_in + self.before.moved_in + moved.bytes_in,
            self.reading.bytes_out + self.before.moved_out + moved.bytes_out,
        )
        if not self.same_boot:
            return now
        if not is_full(self.before.window, self.at, self.reading.step_ms):
            return self.before.window
        measure(self.before.window, now, self.reading.step_ms, self.additions.slot(slot_of(self.at - 1)))
        return now

"""The meter: turns readings, which are cumulative, into additions to slots, sessions and samples.

Pure: `step(state, reading)` returns the next state and the additions. The caller writes both in one transaction:
written apart, a crash between them would count twice or not at all. Where figures are known only up to a bound, the
meter adds a span (`partial`, `lost`) and never guesses.

Bytes come from the server's own counters. A connection counts in the slot in which it starts, view time in the slots in
which it passes. A log line of an ended session replaces what polling observed of it.
"""

from collections import Counter
from functools import partial

import msgspec

from streamusage.agent.metering import audiences, counters, retired
from streamusage.agent.metering.additions import Additions, SpanAddition
from streamusage.agent.metering.counters import add_log_lines
from streamusage.agent.metering.line_boots import LineBoots, earliest_start
from streamusage.agent.metering.passage import (
    are_lines_in_order,
    latest_start,
    offset_of,
    passage_between,
)
from streamusage.agent.metering.peaks import add_peak, is_window_full
from streamusage.agent.metering.publishes import Publishes
from streamusage.agent.metering.retired import KEEP_RETIRED_MS, boot_of
from streamusage.agent.metering.root_counters import settle_root_counters
from streamusage.agent.metering.shared_lines import advance_with_shared
from streamusage.agent.metering.stream_figures import (
    SHORT_PAUSE_MS,
    Direction,
    StreamParts,
    advance_stream_counters,
    count_streams,
    weigh_counters,
)
from streamusage.agent.metering.stream_shares import SlotAmount
from streamusage.agent.metering.unreadable import counted_spans, split_unreadable, unreadable_minutes
from streamusage.agent.metering.viewer_matching import (
    DRIFT_PER_MS,
    LONGEST_ANSWER_MS,
    Page,
    Window,
    find_left_viewers,
    match_by_duration,
    match_viewer,
)
from streamusage.agent.reading import EndedConnection, Reading
from streamusage.api.report import Baseline, OpenAudience, OpenStreamCounter, PeakWindow, ViewerRow
from streamusage.core.coverage import Interval, by_slot, slot_of, spread
from streamusage.core.reasons import (
    CLOCK_SET_FORWARD,
    COUNTER_FELL,
    ID_USED_AGAIN,
    IDS_BEGAN_AGAIN,
    LENGTH_UNKNOWN,
    LINES_UNDATED,
    NO_READING,
    OLD_WORKER_SERVES,
    RESTARTED,
    WORKER_REPLACED,
)
from streamusage.core.usage import StreamId

LONGEST_UNLOGGED_PAUSE_MS = 60_000
"""Without a log of ended sessions, a longer pause between two readings is covered only in part."""

LONGEST_ABSENCE_MS = 40 * 24 * 3600 * 1000
"""Units are filed at most this long before a reading, so that one reading writes a bounded number of slots."""

LEAST_CLOCK_STEP_MS = 1_000
"""From this on, a clock that is ahead of the last reading was set forward, and the time between them is marked."""

UNOBSERVED_FROM_MS = 60_000
"""In a longer pause between two readings the machine's clock may have been set and set back. Then the time of a line
does not prove that a connection which no reading showed is one of an earlier boot: the present counters may contain it.
"""

LEAST_NARROWING_MS = 100
"""A start is corrected by a later page where it proves to be earlier by at least this."""

UNSEEN_PROTOCOL = "unknown"
"""Protocol of connections that only the server's own count contains, because no reading showed them."""


class MeterState(msgspec.Struct, frozen=True):
    """State with which the next reading is compared."""

    baseline: Baseline
    viewers: dict[str, ViewerRow]
    """Viewer connections that are counted and not known to have ended, by `boot/id`."""


def start(reading: Reading) -> tuple[MeterState, Additions]:
    """Return the state after the first reading of a server. Accounting begins here, with the connected viewers.

    Of the log lines only those count that were written while the page was answered: they end viewers on it. What the
    reading misses lies before it.
    """
    origin = MeterState(
        Baseline(
            at=reading.at,
            boot=reading.boot,
            started_at=latest_start(reading, reading.at),
            since=reading.at,
            bytes_in=reading.bytes_in,
            bytes_out=reading.bytes_out,
            window=PeakWindow(reading.at, reading.bytes_in, reading.bytes_out),
            run=reading.run,
            elapsed_ms=reading.elapsed_ms,
            machine_offset_ms=reading.machine_offset_ms,
            age_slack_ms=reading.age_slack_ms,
            cursor=reading.cursor,
            counters=counters.open_counters(reading.counters),
            accepted=reading.accepted,
            accounted=max(0, (reading.accepted or 0) - _count_present_viewers(reading)),
            audiences=audiences.without_present_viewers(reading.audiences, reading.boot),
            stream_counters=advance_stream_counters(None, reading.stream_counters, is_same_boot=True)[0],
        ),
        {},
    )
    state, additions = step(origin, msgspec.structs.replace(reading, ended=(), misses=""))
    for viewer in find_left_viewers(reading.ended, reading.viewers, reading.age_slack_ms):
        viewer_id = f"{state.baseline.boot}/{viewer.viewer_id}"
        del state.viewers[viewer_id], additions.viewers[viewer_id]
    return state, additions


def _count_present_viewers(reading: Reading) -> int:
    return len(reading.viewers) + sum(audience.viewers or 0 for audience in reading.audiences)


def step(state: MeterState, reading: Reading) -> tuple[MeterState, Additions]:
    """Return the state after a reading, and what the reading adds to the rows.

    Where the wall clock stepped back, units are filed at the last reading, and none is lost.
    """
    return _Step(state, reading).run()


class _Step:
    """One step in progress: the state before, the new reading, and the additions so far."""

    def __init__(self, state: MeterState, reading: Reading) -> None:
        reading, self.unreadable = split_unreadable(reading)
        baseline = state.baseline
        resumed = retired.resume(baseline, baseline.elapsed_ms + offset_of(baseline), reading)
        self.is_back = resumed is not None
        """Whether the reading shows an earlier boot again."""
        replaced_boot = baseline.boot
        if resumed is not None:
            state = MeterState(resumed, state.viewers)
        reading, self.has_fallen = settle_root_counters(state.baseline, reading)
        self.before = state.baseline
        self.reading = reading
        self.now = reading.at
        """Time of the reading, from which durations are measured."""
        self.same_boot = (
            reading.boot == retired.raw_name(state.baseline.boot)
            and reading.bytes_in >= state.baseline.bytes_in
            and reading.bytes_out >= state.baseline.bytes_out
        )
        self.at = max(reading.at, state.baseline.at)
        """Where coverage ends: never before the last reading's end, also after a backward correction."""
        self.boot = self._boot_name()
        self.passage = passage_between(self.before, state.viewers, self.boot, reading)
        self.last_at = self.passage.last_at
        """Time of the last reading, on the scale of this one."""
        filed_from = self.last_at if self.passage.is_same_run else min(self.last_at, self.at)
        self.covers_from = max(self.before.at, filed_from, self.at - LONGEST_ABSENCE_MS)
        """Start of the time to which units since the last reading are distributed."""
        self.started_at = latest_start(reading, self.now)
        """Latest possible start of the media server's boot; 0 if unknown."""
        self.logged_in, self.logged_out = state.baseline.logged_in, state.baseline.logged_out
        self.viewers = dict(state.viewers)
        self.known_before = state.viewers.keys()
        self.counts_from: dict[str, int] = {}
        """From when the view time of a viewer on the page is still to be added, where that is not the last reading."""
        self.retired = list(state.baseline.retired)
        self.logged: dict[str, tuple[int, int]] = {}
        self.credited: list[EndedConnection] = []
        """The lines whose bytes are in `logged`."""
        self.ended_boot = "" if self.same_boot and not self.is_back else replaced_boot
        """The boot that ended since the last reading, until the log is past its end."""
        self.ended_ids: set[str] = set()
        self.connections = 0
        """Number of connections that this reading adds."""
        self.additions = Additions()
        self.streams = StreamParts(self.additions, reading.stream_traffic)
        if self.at - self.covers_from > SHORT_PAUSE_MS:
            self.streams.keep_recent(self.at, count_streams(reading, self.viewers.values()))
        self.publishes = Publishes(state.baseline.publishes, self.before.at, self.now, self.additions)
        if self.passage.step_ms:
            self._shift_remembered_times(self.passage.step_ms)
        if not self.same_boot or self.passage.passed_ms is None:
            # Accounting began before this boot, or an unknown time ago: all that is not known yet counts.
            self.before = msgspec.structs.replace(self.before, since=0)
        self.boot_start = self._narrow_boot_start()
        """As `started_at`, by all readings of the boot."""
        # The present boot may be older than the machine's: then its lines may come from runs with unknown clocks.
        earliest = earliest_start(self.boot_start, reading)
        is_one_run = self.passage.is_same_run or self.now - earliest <= reading.elapsed_ms
        self.is_clock_observed = not reading.run or (self.passage.passed_ms or UNOBSERVED_FROM_MS) < UNOBSERVED_FROM_MS
        """Whether the machine's clock cannot have been set and set back unnoticed since the last reading."""
        self.lacks_bytes = ""
        """Why bytes of an earlier boot are not counted, where nothing proves that they are its own (`core.reasons`)."""
        self.lacks_bytes_now = ""
        """The same, where such a boot served connections beside the present one until now."""
        self.lacks_viewers_until = 0
        """Until when viewers may have joined who are not counted, because their lines end viewers of an earlier boot.
        """
        if not self.same_boot:
            self._retire_boot()
        open_connections = (
            [*self.viewers, *(publish.publish_id for publish in self.publishes.live)] if self.retired else []
        )
        self.retired = retired.keep_retired(self.retired, reading, self.now, open_connections)
        self.draining = retired.draining_boots(self.retired, reading, self.now)
        """Earlier boots that serve connections which no page shows, and whether this is certain."""
        self.serves_unseen = retired.serves_unseen(self.draining, open_connections)
        self.boots = LineBoots(
            present=self.boot,
            of_last_reading=self.before.boot,
            is_same=self.same_boot,
            started_at=self.started_at,
            earliest_start=earliest,
            retired=self.retired,
            draining=self.draining,
            reading=reading,
            passage=self.passage,
            has_one_clock=is_one_run and are_lines_in_order(reading.ended),
        )

    def run(self) -> tuple[MeterState, Additions]:
        self._count_bytes()
        self.publishes.update(self.reading.publishes, self.boot)
        self.publishes.keep_served(self.draining)
        seen_viewers = self._see_viewers()
        for line in self.reading.ended:
            self._apply_log_line(line, seen_viewers)
        self._cover()
        self._count_view_time(seen_viewers)
        self._handle_missing_viewers(seen_viewers)
        if self.reading.lists_connections:
            self.publishes.end_missing()
        open_audiences, increments = self._count_audiences()
        self._count_subscribers(seen_viewers, increments)
        accounted = self._count_unseen_connections()
        moved = self._count_counters()
        stream_counters = self._deal_bytes(moved)
        window = self._measure_peak(moved)
        baseline = Baseline(
            at=self.at,
            boot=self.boot,
            started_at=self.boot_start,
            since=self.before.since,
            bytes_in=self.reading.bytes_in,
            bytes_out=self.reading.bytes_out,
            window=window,
            run=self.reading.run,
            elapsed_ms=self.reading.elapsed_ms,
            offset_ms=self.reading.at - self.reading.elapsed_ms if self.reading.run else None,
            machine_offset_ms=self.reading.machine_offset_ms,
            uptime_ms=self.reading.uptime_ms,
            age_slack_ms=self.reading.age_slack_ms,
            publishes=self.publishes.live,
            logged_in=self.logged_in,
            logged_out=self.logged_out,
            cursor=self.reading.cursor,
            retired=tuple(self.retired),
            counters=moved.counters,
            moved_in=self.before.moved_in + moved.bytes_in,
            moved_out=self.before.moved_out + moved.bytes_out,
            audiences=open_audiences,
            accepted=self.reading.accepted,
            accounted=accounted,
            stream_counters=stream_counters,
        )
        return MeterState(baseline, self.viewers), self.additions

    def _narrow_boot_start(self) -> int:
        if not self.same_boot:
            return self.started_at
        return min(filter(None, (self.before.started_at, self.started_at)), default=0)

    def _shift_remembered_times(self, by_ms: int) -> None:
        """Move remembered times to the scale of this reading. What is filed already stays where it is."""
        self.before = msgspec.structs.replace(
            self.before,
            started_at=_shift_known(self.before.started_at, by_ms),
            since=_shift_known(self.before.since, by_ms),
            counters=tuple(
                counter
                if counter.gone_at is None
                else msgspec.structs.replace(counter, gone_at=max(0, counter.gone_at + by_ms))
                for counter in self.before.counters
            ),
        )
        self.retired = [retired.shift(boot, by_ms) for boot in self.retired]
        for viewer in list(self.viewers.values()):
            counted_to = None if viewer.counted_to is None else max(0, viewer.counted_to + by_ms)
            self._put_viewer(
                msgspec.structs.replace(viewer, started_at=max(0, viewer.started_at + by_ms), counted_to=counted_to)
            )

    def _boot_name(self) -> str:
        """Return the identity of the boot. Counters that fell under one name mean another boot, with a suffix."""
        if self.same_boot:
            return self.before.boot
        generation = retired.next_generation(self.reading.boot, self.before)
        return f"{self.reading.boot}~{generation}" if generation else self.reading.boot

    def _retire_boot(self) -> None:
        """End the last boot. Its log may still grow (a draining worker); its counters will not."""
        # Also where lines are missing: those that did arrive must not be taken for lines of an earlier boot.
        self.retired.append(retired.retire(self.before, self.last_at))
        self.logged_in = self.logged_out = 0

    def _cover(self) -> None:
        """Add the spans from the end of coverage up to now: no time is ever without a state.

        What is incomplete is marked also where no time passes because of a backward correction.
        """
        before = self.before.at
        if self.at == before and (
            self.unreadable or not self.same_boot or self.lacks_viewers_until or self._why_incomplete()
        ):
            self.at += 1
        at = self.at
        if at == before:
            return
        if self.passage.is_same_run and self.last_at - before > LEAST_CLOCK_STEP_MS:
            before = min(self.last_at, at)
            self.additions.spans.append(SpanAddition(self.before.at, before, "partial", CLOCK_SET_FORWARD))
        if self.same_boot:
            if before < at:
                self.additions.spans += self._spans_up_to_now(before, self._why_incomplete())
            return
        if self.serves_unseen:
            self.additions.spans.append(SpanAddition(before, at, "partial", OLD_WORKER_SERVES))
            return
        began = min(self.started_at, at)
        if began <= before:
            self.additions.spans.append(SpanAddition(before, at, "partial", WORKER_REPLACED))
            return
        self.additions.spans.append(
            SpanAddition(before, began, "partial" if self.reading.logs_ends else "lost", RESTARTED)
        )
        if began < at:
            self.additions.spans += self._spans_up_to_now(began, self.reading.misses or self.lacks_bytes_now)

    def _why_incomplete(self) -> str:
        """Return why figures since the last reading may be incomplete; empty where they are complete."""
        if self._pause_was_too_long():
            return NO_READING
        if self.lacks_bytes:
            return WORKER_REPLACED if self.is_back else self.lacks_bytes
        if self.passage.passed_ms is None and any(not audience.shown_only for audience in self.reading.audiences):
            return LENGTH_UNKNOWN
        if self.has_fallen or counters.has_fallen(self.before.counters, self.reading.counters):
            return COUNTER_FELL
        return self.reading.misses or (
            OLD_WORKER_SERVES if self.serves_unseen else WORKER_REPLACED if self.is_back else ""
        )

    def _spans_up_to_now(self, from_ms: int, misses: str) -> list[SpanAddition]:
        """Return the spans up to now: all of it `partial` for a reason, else the minutes of unreadable lines."""
        if misses:
            return [SpanAddition(from_ms, self.at, "partial", misses)]
        spans = []
        if self.lacks_viewers_until > from_ms:
            until = min(self.lacks_viewers_until, self.at)
            spans.append(SpanAddition(from_ms, until, "partial", ID_USED_AGAIN))
            from_ms = until
        minutes = unreadable_minutes(self.unreadable, self.passage, self.now)
        return spans + counted_spans(Interval(from_ms, self.at), minutes)

    def _pause_was_too_long(self) -> bool:
        if self.reading.logs_ends:
            return False
        return self.passage.passed_ms is None or self.passage.passed_ms > LONGEST_UNLOGGED_PAUSE_MS

    def _count_bytes(self) -> None:
        began = self.covers_from if self.same_boot else max(self.covers_from, min(self.started_at, self.at))
        base_in, base_out = (self.before.bytes_in, self.before.bytes_out) if self.same_boot else (0, 0)
        for direction, amounts in self._add_bytes(
            Interval(began, self.at), self.reading.bytes_in - base_in, self.reading.bytes_out - base_out
        ):
            self.streams.add_bytes(direction, amounts)

    def _add_bytes(
        self, interval: Interval, bytes_in: int, bytes_out: int
    ) -> tuple[tuple[Direction, list[SlotAmount]], tuple[Direction, list[SlotAmount]]]:
        """File bytes in the slots of an interval. Return what each slot received, in and out."""
        received = [SlotAmount(*share) for share in spread(bytes_in, interval)] if bytes_in else []
        sent = [SlotAmount(*share) for share in spread(bytes_out, interval)] if bytes_out else []
        for slot, share in received:
            self.additions.slot(slot).bytes_in += share
        for slot, share in sent:
            self.additions.slot(slot).bytes_out += share
        return ("bytes_in", received), ("bytes_out", sent)

    def _see_viewers(self) -> set[str]:
        """Count new viewer connections. Return the ids of all that the page shows; the log may end some of them."""
        seen = set()
        for viewer in self.reading.viewers:
            viewer_id = f"{self.boot}/{viewer.viewer_id}"
            seen.add(viewer_id)
            known = self.viewers.get(viewer_id)
            started_at = self.now - viewer.age_ms
            if known is None or self._is_another_life(known, started_at):
                watched = self.publishes.stream_of(f"{self.boot}/{viewer.publish_id}") if viewer.publish_id else None
                stream = watched or StreamId(viewer.scope, viewer.name)
                self._put_viewer(
                    ViewerRow(
                        viewer_id=viewer_id,
                        revision=0,
                        open=True,
                        scope=stream.scope,
                        name=stream.name,
                        protocol=viewer.protocol,
                        started_at=max(0, started_at),
                    )
                )
                self._count_connection(viewer.protocol, started_at, stream)
                self.counts_from[viewer_id] = max(started_at, self.before.since)
            elif not self.passage.is_same_run:
                self._see_after_restart(known, viewer.age_ms)
            elif known.counted_to is not None:
                self.counts_from[viewer_id] = known.counted_to
                self._put_viewer(msgspec.structs.replace(known, counted_to=None))
            elif known.started_at - started_at >= LEAST_NARROWING_MS:
                self._narrow_start(known, started_at)
        return seen

    def _is_another_life(self, known: ViewerRow, started_at: int) -> bool:
        """Return whether an id that was missing is listed again for a connection that began after it was missing."""
        if known.counted_to is None or self.reading.logs_ends or not self.passage.is_same_run:
            return False
        return started_at - self.reading.age_slack_ms > known.counted_to

    def _see_after_restart(self, known: ViewerRow, age_ms: int) -> None:
        """See a viewer who stayed across a restart of the machine: the growth of its age is its view time."""
        counted_to = self.last_at if known.counted_to is None else known.counted_to
        stayed_ms = max(0, age_ms - (counted_to - known.started_at))
        self.counts_from[known.viewer_id] = self.now - stayed_ms
        self._put_viewer(msgspec.structs.replace(known, started_at=max(0, self.now - age_ms), counted_to=None))

    def _count_view_time(self, seen: set[str]) -> None:
        """Add the view time, up to now, of the viewers who are still there."""
        stayed: Counter[StreamId] = Counter()
        for viewer_id in seen:
            viewer = self.viewers[viewer_id]
            stream = StreamId(viewer.scope, viewer.name)
            if viewer_id in self.counts_from:
                self._add_view_time(stream, self.counts_from[viewer_id], self.now)
            else:
                stayed[stream] += 1
        if stayed:
            self._add_view_time_of_stayers(stayed)

    def _narrow_start(self, known: ViewerRow, started_at: int) -> None:
        """Correct a start that proves to be earlier. Every page bounds the start; the earliest bound is the nearest."""
        self._add_earlier_view_time(known, started_at)
        self._put_viewer(msgspec.structs.replace(known, started_at=max(0, started_at)))

    def _add_earlier_view_time(self, viewer: ViewerRow, started_at: int) -> None:
        """Add the view time before the start that is known so far, unless accounting began while the viewer watched.

        A start that is earlier than any page could be late means that the machine was paused meanwhile.
        """
        if viewer.started_at > self.before.since or viewer.started_at - started_at > LONGEST_ANSWER_MS:
            self._add_view_time(StreamId(viewer.scope, viewer.name), started_at, viewer.started_at)
        elif started_at < viewer.started_at:
            self.additions.earlier_ms[viewer.viewer_id] = viewer.started_at - started_at

    def _count_connection(self, protocol: str, started_at: int, stream: StreamId, number: int = 1) -> None:
        slot = slot_of(max(started_at, self.before.since, self.now - LONGEST_ABSENCE_MS))
        self.additions.slot(slot).connections[protocol] += number
        self.streams.add_connections(stream, slot, number)
        self.connections += number

    def _add_view_time_of_stayers(self, viewers: Counter[StreamId]) -> None:
        """Add the view time of viewers who were connected all the time since the last reading."""
        view_time_ms = (self.passage.passed_ms or 0) * viewers.total()
        amounts = [SlotAmount(*share) for share in spread(view_time_ms, Interval(self.covers_from, self.at))]
        for slot, share in amounts:
            self.additions.slot(slot).view_time_ms += share
        self.streams.share_view_time(amounts, viewers)

    def _add_view_time(self, stream: StreamId, from_ms: int, to_ms: int) -> None:
        earliest = to_ms - LONGEST_ABSENCE_MS
        if from_ms < earliest:
            self._file_view_time(stream, slot_of(earliest), earliest - from_ms)
        for slot, piece in by_slot(Interval(max(from_ms, earliest), to_ms)):
            self._file_view_time(stream, slot, piece.length_ms)

    def _file_view_time(self, stream: StreamId, slot: int, view_time_ms: int) -> None:
        self.additions.slot(slot).view_time_ms += view_time_ms
        self.streams.add_view_time(stream, slot, view_time_ms)

    def _put_viewer(self, viewer: ViewerRow) -> None:
        self.viewers[viewer.viewer_id] = viewer
        self.additions.viewers[viewer.viewer_id] = viewer

    def _close_viewer(self, viewer: ViewerRow) -> None:
        self.viewers.pop(viewer.viewer_id, None)
        self.additions.viewers[viewer.viewer_id] = msgspec.structs.replace(viewer, open=False)

    def _apply_log_line(self, line: EndedConnection, seen_viewers: set[str]) -> None:
        self._notice_end_of_boot(line)
        stream = StreamId(line.scope, line.name)
        ended_at = self.passage.date_line(line.ended_at, self.now)
        dated_start = ended_at - line.duration_ms
        known, is_boot_certain = None, False
        if line.kind == "play":
            known, ended_at, is_boot_certain = self._match_viewer(line, ended_at, seen_viewers)
        started_at = ended_at - line.duration_ms
        latest_start = max(started_at, self.passage.latest_end(line.ended_at, self.now) - line.duration_ms)
        boot = known.viewer_id.rpartition("/")[0] if known else self.boots.at(latest_start)
        is_dated = self.boots.is_dated(line) and self.boots.at(started_at) == self.boots.at(latest_start)
        served: str | None = None
        if line.kind == "publish":
            within_ms = line.granularity_ms + LONGEST_ANSWER_MS + line.duration_ms // DRIFT_PER_MS if is_dated else None
            find = partial(
                self.publishes.find_boot,
                line.connection_id,
                self.boots.of_publish(line, started_at),
                started_at,
                within_ms,
            )
            served = find(self.boots.earlier_from(line, started_at)) or find(
                self.boots.earlier_from_in_doubt(line, started_at)
            )
            boot = served or boot
        # A viewer who is matched by duration only may be another one: then the time of the line proves nothing, either.
        is_dated = is_dated and (boot == self.boot or served is not None or self.is_clock_observed)
        is_ambiguous = self.boots.is_ambiguous(boot, line, dated_start)
        is_shared = self.boots.is_shared(boot, line, dated_start)
        is_proven = (is_dated or is_boot_certain) and not is_ambiguous
        is_of_boot = (is_proven or self.boots.is_certain(boot, line)) and not is_shared
        if line.counter or is_of_boot:
            self._credit(boot, ended_at, line)
        elif boot != self.boot and (line.bytes_in or line.bytes_out):
            reason = IDS_BEGAN_AGAIN if is_ambiguous or is_shared else LINES_UNDATED
            self.lacks_bytes = self.lacks_bytes or reason
            if is_shared and (self.draining or self.reading.drained):
                self.lacks_bytes_now = reason
        if known is None and served is None and self.boots.may_be_of_drained(boot, line):
            self.lacks_bytes = self.lacks_bytes or OLD_WORKER_SERVES
            self.lacks_bytes_now = self.lacks_bytes_now or OLD_WORKER_SERVES
        if line.kind == "publish":
            self.publishes.end(f"{boot}/{line.connection_id}", line, started_at, ended_at)
        elif known is not None:
            if not is_of_boot and (until := self.boots.unseen_until(boot, line, dated_start)):
                self.lacks_viewers_until = max(self.lacks_viewers_until, until, self.before.at + 1)
            self._end_viewer(known, line, ended_at, seen_viewers)
        elif line.refused or retired.was_given_up(self.retired, boot, started_at, self.last_at):
            return
        elif line.kind in ("play", "join"):
            self._count_connection(line.protocol, started_at, stream)
            self.publishes.count_unseen_subscriber(stream, ended_at, is_on_air=line.kind == "join")
        if line.watched_ms:
            for slot, share in spread(line.watched_ms, Interval(max(started_at, self.before.since), ended_at)):
                self._file_view_time(stream, slot, share)
        elif known is None and line.kind in ("play", "watch"):
            counted_from = started_at if line.kind == "play" else max(started_at, self.before.since)
            self._add_view_time(stream, counted_from, ended_at)

    def _notice_end_of_boot(self, line: EndedConnection) -> None:
        """An id that repeats in the log is that of a later boot, and so are the lines after it."""
        if line.kind in ("play", "publish"):
            if line.connection_id in self.ended_ids:
                self.ended_boot = ""
            self.ended_ids.add(line.connection_id)

    def _match_viewer(self, line: EndedConnection, ended_at: int, seen: set[str]) -> tuple[ViewerRow | None, int, bool]:
        """Return the viewer that a line ends, when it ended, and whether start times prove that it is this one."""
        boots = self.boots.names
        started_at: int | None = None
        line_began_at = ended_at - line.duration_ms
        if self.passage.are_lines_exact and self.passage.is_possible(line.ended_at, self.now):
            answer_ms = self.reading.age_slack_ms
            page = Page(seen, answer_ms, self.now - answer_ms - self.boots.clock_error_ms)
            earlier_from = self.boots.earlier_from(line, line_began_at)
            may_end = self.boots.may_end_connections
            known = match_viewer(line, line_began_at, self.viewers, boots, page, may_end, earlier_from)
            if known is not None:
                return known, ended_at, True
            if self.passage.is_between(line.ended_at, self.now):
                started_at = line_began_at
        # The log's clock differs, or was set: durations still compare.
        is_length_known = self.passage.passed_ms is not None
        answered_ms = line.granularity_ms + self.reading.age_slack_ms
        window = Window(
            self.last_at,
            self.now,
            is_length_known,
            self.boot if self.same_boot else "",
            self.ended_boot,
            (self.boot, self.before.boot),
            self.boots.age_ms,
            self.known_before,
            self.reading.age_slack_ms,
            self.passage.ended_within(line.ended_at, self.now, self.boots.clock_error_ms + answered_ms),
            [line.ended_at + shift - line.duration_ms for shift in self.passage.line_shifts],
            bool(self.reading.draining or self.retired),
        )
        if not self.same_boot and not self.ended_boot:
            boots = [self.boot]
        earlier_from = self.boots.earlier_from_in_doubt(line, line_began_at)
        known = match_by_duration(line, started_at, window, self.viewers, boots, seen, earlier_from)
        if known is not None and (is_length_known or known.viewer_id in seen):
            seen_until = self.last_at if known.counted_to is None else known.counted_to
            ended_at = min(max(known.started_at + line.duration_ms, seen_until), self.now)
        return known, ended_at, False

    def _credit(self, boot: str, ended_at: int, line: EndedConnection) -> None:
        """Add the bytes of a line to the sum of its boot. For a past boot, bytes beyond its last counters are new."""
        if line.counter:
            self.credited.append(line)
            logged_in, logged_out = self.logged.get(line.counter, (0, 0))
            self.logged[line.counter] = logged_in + line.bytes_in, logged_out + line.bytes_out
            return
        if boot == self.boot:
            self.logged_in += line.bytes_in
            self.logged_out += line.bytes_out
            return
        for index, earlier in enumerate(self.retired):
            if earlier.boot == boot:
                self.retired[index], more_in, more_out = add_log_lines(earlier, line.bytes_in, line.bytes_out)
                unseen_from = max(ended_at - line.duration_ms, earlier.retired_at or ended_at)
                unseen = Interval(min(unseen_from, ended_at), ended_at)
                for direction, amounts in self._add_bytes(unseen, more_in, more_out):
                    self.streams.add_bytes_of(StreamId(line.scope, line.name), direction, amounts)

    def _end_viewer(self, viewer: ViewerRow, line: EndedConnection, ended_at: int, seen: set[str]) -> None:
        seen_until = self.last_at if viewer.counted_to is None else viewer.counted_to
        stream = StreamId(viewer.scope, viewer.name)
        # A page shows the latest possible start, so that the duration bounds the end, whatever dated the line.
        ended_at = min(ended_at, viewer.started_at + line.duration_ms + line.granularity_ms)
        if viewer.viewer_id in seen:
            # It left between the reading of the statistics and that of the log.
            seen.discard(viewer.viewer_id)
            if not viewer.publish_id:
                self.publishes.count_unseen_subscriber(stream, ended_at)
            counts_from = self.counts_from.get(viewer.viewer_id, self.last_at)
            ended_at = max(ended_at, counts_from)
            self._add_view_time(stream, counts_from, ended_at)
        elif self.passage.passed_ms is None:
            unseen_ms = max(0, line.duration_ms - (seen_until - viewer.started_at))
            self._add_view_time(stream, ended_at - unseen_ms, ended_at)
        else:
            ended_at = max(ended_at, seen_until)
            self._add_view_time(stream, seen_until, ended_at)
        if self.passage.passed_ms is not None:
            # The log's duration is a lower bound, too: it may prove an earlier start than any page showed.
            self._add_earlier_view_time(viewer, ended_at - line.duration_ms)
        self._close_viewer(viewer)

    def _handle_missing_viewers(self, seen: set[str]) -> None:
        """Handle viewers that are not listed: their log line may follow, or a later list may show them again."""
        for viewer in list(self.viewers.values()):
            if viewer.viewer_id in seen:
                continue
            if self._is_gone(viewer):
                self._close_viewer(viewer)
            elif viewer.counted_to is None:
                self._put_viewer(msgspec.structs.replace(viewer, counted_to=max(0, self.last_at)))

    def _is_gone(self, viewer: ViewerRow) -> bool:
        """Return whether a viewer that is not listed has ended for certain, or is missing for too long."""
        if boot_of(viewer.viewer_id) in self.draining:
            return False
        if self.reading.logs_ends or not self.reading.lists_connections:
            return viewer.counted_to is not None and self.now - viewer.counted_to > KEEP_RETIRED_MS
        # Without a log: gone with its boot, and where the last reading did not list it either.
        return viewer.counted_to is not None or not viewer.viewer_id.startswith(f"{self.boot}/")

    def _count_audiences(self) -> tuple[tuple[OpenAudience, ...], list[audiences.AudienceIncrement]]:
        """Count viewers without identities: their connections and their view time."""
        open_audiences, increments = audiences.advance(self.before.audiences, self.reading.audiences, self.boot)
        for increment in increments:
            stream = StreamId(increment.reading.scope, increment.reading.name)
            if increment.joined:
                self._count_connection(increment.reading.protocol, self.now, stream, increment.joined)
            if increment.watched and not self._pause_was_too_long():
                self._add_view_time_of_stayers(Counter({stream: increment.watched}))
        return open_audiences, increments

    def _count_unseen_connections(self) -> int:
        """Add connections that only the server's own count contains. Return how many of it are accounted for."""
        if self.reading.accepted is None:
            return 0
        before = self.before if self.same_boot else None
        if before is not None and before.accepted is None:
            # The count is used from now on, because the log no longer is: what it contains so far is accounted for.
            return self.reading.accepted + self.connections
        unseen, accounted = audiences.count_unseen(
            before.accepted if before else None, before.accounted if before else 0, self.connections
        )
        if unseen:
            self.additions.slot(slot_of(self.covers_from)).connections[UNSEEN_PROTOCOL] += unseen
        return accounted

    def _count_counters(self) -> counters.CounterDifference:
        moved = advance_with_shared(self.before.counters, self.reading.counters, self.logged, self.at)
        for direction, amounts in self._add_bytes(Interval(self.covers_from, self.at), moved.bytes_in, moved.bytes_out):
            self.streams.add_counted_bytes(direction, amounts)
        return moved

    def _deal_bytes(self, moved: counters.CounterDifference) -> tuple[OpenStreamCounter, ...] | None:
        """Deal the bytes over the streams. Return the streams' own counters after this reading."""
        after, rose = advance_stream_counters(
            self.before.stream_counters, self.reading.stream_counters, is_same_boot=self.same_boot
        )
        total = moved.bytes_in, moved.bytes_out
        self.streams.on_air.update(self.publishes.times_on_air(self.last_at))
        self.streams.deal(rose, weigh_counters(self.reading, moved.by_key, total, self.credited))
        return after

    def _count_subscribers(self, seen_viewers: set[str], increments: list[audiences.AudienceIncrement]) -> None:
        active: Counter[StreamId] = Counter()
        joined: Counter[StreamId] = Counter()
        for increment in increments:
            stream = StreamId(increment.reading.scope, increment.reading.name)
            active[stream] += increment.viewers
            joined[stream] += increment.joined
        served = (
            (viewer_id for viewer_id in self.viewers if boot_of(viewer_id) in self.draining) if self.draining else ()
        )
        for viewer_id in {*seen_viewers, *served}:
            viewer = self.viewers[viewer_id]
            stream = StreamId(viewer.scope, viewer.name)
            active[stream] += 1
            publish_id = self.publishes.seen.get(stream)
            if publish_id is not None and viewer.publish_id != publish_id:
                joined[stream] += 1
                self._put_viewer(msgspec.structs.replace(viewer, publish_id=publish_id))
        self.publishes.add_sessions_and_samples(self.at, active, joined)

    def _measure_peak(self, moved: counters.CounterDifference) -> PeakWindow:
        """Return the peak window after this reading. A full one adds its peak and ends; a restart begins a new one."""
        now = PeakWindow(
            self.now,
            self.reading.bytes_in + self.before.moved_in + moved.bytes_in,
            self.reading.bytes_out + self.before.moved_out + moved.bytes_out,
        )
        if not self.same_boot or not self.passage.is_same_run or self.passage.step_ms or self.now < self.before.at:
            return now  # the length of the window is not the difference of its times
        if not is_window_full(self.before.window, self.now, self.reading.step_ms):
            return self.before.window
        add_peak(self.before.window, now, self.reading.step_ms, self.additions.slot(slot_of(self.now - 1)))
        return now


def _shift_known(at_ms: int, by_ms: int) -> int:
    """Return a time moved to another scale; 0, an unknown time, stays 0."""
    return max(1, at_ms + by_ms) if at_ms else 0

"""Known causes of a difference, each with the amount that it can explain. Pure; times are UTC milliseconds.

A difference is the account's figure minus the service's. A cause that makes the account higher has a positive amount.
Every cause is measured in the account, or in the coverage of the service: none is concluded from the difference.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isqrt
from statistics import median
from typing import NamedTuple

from streamusage.core.coverage import Interval, Provenance
from tui.reconcile.account import SLOT_MS, AccountSum, DayKey, OutsideAccount
from tui.reconcile.entries import Basis, Measure
from tui.reconcile.repeated_lines import HOUR_MS, RepeatedSum
from tui.reconcile.service_figures import UNCOUNTED, ServiceFigures, ServiceSide

HEADER_BYTES = 600
"""Most bytes of a response's header, if the account does not show them: servers send 150 to 600."""
PAYLOAD_OVERHEAD_PERMILLE = 15
"""Highest overhead of RTMP's chunk headers: one byte for each 128, and up to twelve for each message."""
SAMPLING_DEVIATIONS = 3
"""The error of a sample is at most so many standard deviations, in 997 of 1000 cases."""
DAY_MS = 86_400_000
MOST_NAMED_HOURS = 4
LEAST_LINES_AN_HOUR = 20
"""With fewer lines in a usual hour, an hour without lines proves nothing."""
LEAST_BODILESS = 10
"""So many responses without a body show the size of headers."""


class Cause(NamedTuple):
    """A cause and the bounds of what it adds to the difference."""

    name: str
    low: int
    high: int
    note: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether the amount is known."""
        return self.low == self.high


class OverheadRange(NamedTuple):
    """Overhead that the account counts and the service does not, in parts per million of the service's figure."""

    low_ppm: int
    high_ppm: int


class CauseSettings(NamedTuple):
    """What the operator states about the account."""

    sampled: int = 1
    """The account has one of so many lines."""
    overhead: OverheadRange | None = None


class CauseFinder:
    """The causes of each row of one comparison."""

    def __init__(self, account: OutsideAccount, service: ServiceSide, settings: CauseSettings) -> None:
        self._account = account
        self._service = service
        self._settings = settings
        self._repeated: dict[DayKey, list[RepeatedSum]] = {}
        for found in account.repeated.sums():
            key = found.group
            self._repeated.setdefault(key, []).append(found)  # type: ignore[arg-type]
        lines = sorted(account.lines_by_hour.values())
        self._has_lines_every_hour = bool(lines) and median(lines) >= LEAST_LINES_AN_HOUR
        self._hours: dict[str, Mapping[int, int]] = {}

    @property
    def measure(self) -> Measure:
        """The figure that is compared."""
        return self._account.measure

    def causes(self, key: DayKey, day: Interval, found: AccountSum, row: ServiceFigures) -> list[Cause]:
        """Return the causes that can have an amount in a row: exact ones first, those with the widest bounds last."""
        factor = self._settings.sampled
        causes = [
            *self._repeated_lines(key, is_copied=True),
            *_later(row, self._account.measure),
            *self._coverage(key, day, found, row),
            *_requests(found),
            *self._repeated_lines(key, is_copied=False),
            *self._overhead(found),
            *self._rounding(found),
            *self._midnight(key),
        ]
        scaled = [
            cause if cause.name in _OF_SERVICE else cause._replace(low=cause.low * factor, high=cause.high * factor)
            for cause in causes
        ]
        scaled += [*self._stated_overhead(row), *_sampling(found, factor), *self._missing_hours(key, day, row, factor)]
        known = [cause for cause in scaled if cause.low or cause.high or cause.name in _ALWAYS_NAMED]
        return sorted(known, key=lambda cause: not cause.is_exact)

    def _repeated_lines(self, key: DayKey, *, is_copied: bool) -> Iterator[Cause]:
        sums = [found for found in self._repeated.get(key, ()) if found.is_copied == is_copied]
        value, lines = sum(found.value for found in sums), sum(found.lines for found in sums)
        if is_copied:
            hours = sorted({found.hour for found in sums})
            note = f"{lines} lines were read before, in the hours from {_hour_texts(hours)} UTC"
            yield Cause("repeated lines", value, value, note)
        else:
            yield Cause("equal lines", 0, value, f"{lines} lines")

    def _coverage(self, key: DayKey, day: Interval, found: AccountSum, row: ServiceFigures) -> Iterator[Cause]:
        covered = row.coverage
        lengths = {state: getattr(covered, f"{state.value}_ms") for state in (*UNCOUNTED, Provenance.PARTIAL)}
        total_ms = sum(lengths.values())
        note = ", ".join(f"{_length(length)} {state.value}" for state, length in lengths.items() if length)
        if not total_ms:
            yield from self._unseen_carriers(key, day, row)
        elif not self._account.has_lines:
            estimate = found.value * total_ms // max(1, day.length_ms * max(1, row.covered_servers))
            yield Cause("coverage", 0, estimate, f"{note}, in proportion to time")
        elif self._service.spans is None or not row.servers:
            slots = sorted((value for _, value in self._account.slots_of(key[1], *day)), reverse=True)
            bound = sum(slots[: -(-total_ms // SLOT_MS) + 1])
            yield Cause("coverage", 0, bound, f"{note}, at unknown times")
        else:
            yield Cause("coverage", *self._uncovered(key, day, row.servers), note)

    def _unseen_carriers(self, key: DayKey, day: Interval, row: ServiceFigures) -> Iterator[Cause]:
        """Return the bound of what other servers may have carried of a row's streams, unseen, while they were not live.

        The known servers of the row were live all day.
        """
        if self._service.is_of_streams and self._service.spans is not None and self._account.has_lines:
            _, high = self._uncovered(key, day, row.servers)
            yield Cause("coverage", 0, high, "time that is not live of servers that may have carried it")

    def _uncovered(self, key: DayKey, day: Interval, servers: Sequence[str]) -> tuple[int, int]:
        """Return the least and the most of the account's figures in the time that is not live.

        Of several servers, and of streams, others may have counted in that time. Of a slot that the time covers in
        part, anything from nothing to all may be missing.
        """
        spans = [span for server in servers for span in (self._service.spans or {}).get(server, ())]
        is_alone = len(servers) == 1 and not self._service.is_of_streams
        uncounted = _merged([span.interval for span in spans if span.state in UNCOUNTED], day)
        any_state = _merged([span.interval for span in spans], day)
        low = sum(
            value
            for interval in uncounted
            for slot, value in self._account.slots_of(key[1], *interval)
            if is_alone and interval.from_ms <= slot and slot + SLOT_MS <= interval.to_ms
        )
        overlapping = {
            slot: value for interval in any_state for slot, value in self._account.slots_of(key[1], *interval)
        }
        return low, sum(overlapping.values())

    def _midnight(self, key: DayKey) -> Iterator[Cause]:
        bounds = self._account.bounds(*key)
        yield Cause("connections across midnight", -bounds.higher, bounds.lower, "spread evenly over their time")

    def _missing_hours(self, key: DayKey, day: Interval, row: ServiceFigures, factor: int) -> Iterator[Cause]:
        """Return the bound of what the log lacks: the highest figure of each missing hour on other days.

        An hour that no other day has explains nothing. The service cannot have counted for longer than it has
        accounted for.
        """
        hours = self.missing_hours(day)
        if not hours:
            return
        if key[1] not in self._hours:
            self._hours[key[1]] = self._account.by_hour(key[1])
        known = self._hours[key[1]]
        bounds = [max((known[other] for other in known if (other - hour) % DAY_MS == 0), default=0) for hour in hours]
        covered = row.coverage
        covered_ms = covered.live_ms + covered.backfilled_ms + covered.partial_ms
        longest = sorted(bounds, reverse=True)[: -(-covered_ms // HOUR_MS)]
        bound = min(sum(longest), max(bounds) * covered_ms // HOUR_MS)
        yield Cause("missing hours", -factor * bound, 0, f"{len(hours)} hours without a line, as busy as on other days")

    def missing_hours(self, day: Interval) -> list[int]:
        """Return the hours of a day of which the account certainly has no line, although it should.

        These are hours before its first or after its last line, and those without a line in a log that has many lines
        in each hour.
        """
        span = self._account.line_span
        if span is None:
            return []
        return [
            hour
            for hour in range(-(-day.from_ms // HOUR_MS) * HOUR_MS, day.to_ms, HOUR_MS)
            if hour not in self._account.lines_by_hour
            and (self._has_lines_every_hour or not span.from_ms <= hour < span.to_ms)
        ]

    def _overhead(self, found: AccountSum) -> Iterator[Cause]:
        if self._account.measure not in (Measure.BYTES_OUT, Measure.BYTES_IN) or self._settings.overhead is not None:
            return
        bases = self._account.bases
        if Basis.PAYLOAD in bases:
            media = self._account.media_value
            if self._account.whole_connections > media > 0:
                share = found.value * (self._account.whole_connections - media) // media
                yield Cause("overhead", -share, 0, "headers of the protocol, by the bytes of whole connections")
            else:
                bound = found.value * PAYLOAD_OVERHEAD_PERMILLE // 1000
                yield Cause("overhead", -bound, 0, f"headers of RTMP, up to {PAYLOAD_OVERHEAD_PERMILLE / 10} %")
        if bases & {Basis.BODY, Basis.RESPONSE}:
            size, note = self._header_size()
            bound = found.lines * size
            is_body, is_response = Basis.BODY in bases, Basis.RESPONSE in bases
            yield Cause("overhead", -bound if is_body else 0, bound if is_response else 0, note)

    def _header_size(self) -> tuple[int, str]:
        """Return the bytes of a response's header, by those without a body if the account counts headers."""
        account = self._account
        if account.bases == {Basis.RESPONSE} and account.bodiless_lines >= LEAST_BODILESS:
            size = -(-account.bodiless_value // account.bodiless_lines)
            if 0 < size <= 10 * HEADER_BYTES:
                return size, f"headers of responses, {size} bytes each by those without a body"
        return HEADER_BYTES, f"headers of responses, up to {HEADER_BYTES} bytes each"

    def _stated_overhead(self, row: ServiceFigures) -> Iterator[Cause]:
        stated = self._settings.overhead
        if stated is not None:
            value = row.value(self._account.measure)
            yield Cause(
                "overhead", value * stated.low_ppm // 1_000_000, value * stated.high_ppm // 1_000_000, "as stated"
            )

    def _rounding(self, found: AccountSum) -> Iterator[Cause]:
        step = self._account.rounded_to or 0
        if self._account.has_day_sums:
            bound = -(-found.lines * step // 2)
            yield Cause("rounding", -bound, bound, f"{found.lines} figures, each to half a step")
        else:
            bound = found.lines * step
            yield Cause("rounding", -bound, bound, f"{found.lines} figures, each to a step")


_OF_SERVICE = frozenset(("later figures",))
"""Causes whose amounts are the service's, so that the sampling of the account does not change them."""

_ALWAYS_NAMED = frozenset(("missing hours",))
"""Causes that are named also if they explain nothing."""


def _later(row: ServiceFigures, measure: Measure) -> Iterator[Cause]:
    later = row.later_value(measure)
    yield Cause("later figures", later, later, "arrived at the service after the day was closed")


def _requests(found: AccountSum) -> Iterator[Cause]:
    yield Cause("HEAD requests", 0, found.head_value, f"{found.head_lines} lines")
    yield Cause("error responses", 0, found.error_value, f"{found.error_lines} lines")


def _sampling(found: AccountSum, factor: int) -> Iterator[Cause]:
    if factor > 1:
        bound = SAMPLING_DEVIATIONS * isqrt(factor * (factor - 1) * found.squares)
        yield Cause("sampling", -bound, bound, f"error of a sample of 1 of {factor}")


def _merged(intervals: Sequence[Interval], day: Interval) -> list[Interval]:
    """Return the intervals inside the day, joined where they touch or overlap, oldest first."""
    merged: list[Interval] = []
    for interval in sorted(interval.clip(*day) for interval in intervals):
        if not interval.length_ms:
            continue
        if merged and interval.from_ms <= merged[-1].to_ms:
            merged[-1] = Interval(merged[-1].from_ms, max(merged[-1].to_ms, interval.to_ms))
        else:
            merged.append(interval)
    return merged


def _hour_texts(hours: Sequence[int]) -> str:
    """Return the beginnings of the first hours: `03:00, 04:00`."""
    texts = [f"{hour // HOUR_MS % 24:02}:00" for hour in hours[:MOST_NAMED_HOURS]]
    return ", ".join([*texts, *(["…"] if len(hours) > MOST_NAMED_HOURS else [])])


def _length(length_ms: int) -> str:
    """Return `1 h 5 min`, or seconds for less than a minute."""
    minutes, rest = divmod(length_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest if not hours else 0, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"

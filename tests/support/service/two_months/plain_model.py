"""What accounting must make of reports, by the definitions in the documentation: nothing of the product is used.

The model keeps every part of a minute as it was received, and for each closed day which parts there were at its
closing. Each figure is summed from these parts when it is needed. Times are UTC milliseconds.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from zoneinfo import ZoneInfo

from tests.support.service.two_months.plain_rules import PlainRule, Stream, customer_of

MINUTE = 60_000
FIVE = 5 * MINUTE
UTC_DAY = 1440 * MINUTE
SUMS = ("connections", "bytes_in", "bytes_out", "view_time_ms")
Sums = tuple[int, ...]
"""In the order of `SUMS`."""
NONE = (0,) * len(SUMS)
STATES = ("live", "backfilled", "partial", "missing", "lost")


@dataclass(frozen=True)
class Peak:
    """A measured peak, and when its window ended."""

    bps: int
    at: int


@dataclass(frozen=True)
class Part:
    """Units of one minute of one server that arrived in one report."""

    minute: int
    stream: Stream | None
    """`None` for units that are not by stream."""
    protocols: dict[str, int]
    """Connections by protocol."""
    bytes_in: int
    bytes_out: int
    view_time_ms: int
    word: str
    """How its bytes are known, for a stream."""
    is_late: bool = False
    peaks: tuple[Peak, Peak] | None = None
    """Of the whole server in this minute, in and out: in one part of a minute only."""

    @property
    def connections(self) -> int:
        return sum(self.protocols.values())


@dataclass(frozen=True)
class Closing:
    """A closed day of a server: how much was known by then."""

    at: int
    rule: str
    parts: int
    """How many parts of the server had arrived."""
    spans: int
    """How many spans of its coverage."""
    watermark: int | None
    rules: tuple[PlainRule, ...]


@dataclass
class Correction:
    """A proposed or approved change of a closed day."""

    zone: str
    day: date
    server: str
    amount: Sums
    customers: dict[str | None, Sums]
    """The part of each customer, of `None` that of streams without one; not those without a part."""
    proposed_by: str
    approved_at: int | None = None
    reverses: "Correction | None" = None


@dataclass
class PlainServer:
    """A server by its reports."""

    began: int
    watermark: int
    spans: list[tuple[int, int, str]] = field(default_factory=list)
    count: int = 0
    """How many parts have arrived."""
    _by_utc_day: dict[int, list[tuple[int, Part]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, part: Part) -> None:
        """Add a part that arrived."""
        self._by_utc_day[part.minute // UTC_DAY].append((self.count, part))
        self.count += 1

    def parts_between(self, begin: int, end: int) -> list[tuple[int, Part]]:
        """Return the parts of an interval, each with how many arrived before it."""
        utc_days = range(begin // UTC_DAY, (end - 1) // UTC_DAY + 1)
        return [found for day in utc_days for found in self._by_utc_day[day] if begin <= found[1].minute < end]


@cache
def bounds_of(zone: str, day: date) -> tuple[int, int]:
    """Return the midnights at both ends of a day."""
    tz = ZoneInfo(zone)
    ends = (datetime(one.year, one.month, one.day, tzinfo=tz) for one in (day, day + timedelta(days=1)))
    begin, end = (int(at.astimezone(UTC).timestamp()) * 1000 for at in ends)
    return begin, end


@cache
def day_at(zone: str, at: int) -> date:
    """Return the day of an instant."""
    return datetime.fromtimestamp(at / 1000, ZoneInfo(zone)).date()


class PlainEstate:
    """All servers, closings and corrections of the service."""

    def __init__(self, zones: Sequence[str], now: int, late_after_ms: int, settle_ms: int) -> None:
        self.zones, self.now = tuple(zones), now
        self.late_after_ms, self.settle_ms = late_after_ms, settle_ms
        self.rules: tuple[PlainRule, ...] = ()
        self.servers: dict[str, PlainServer] = {}
        self.closings: dict[tuple[str, date, str], Closing] = {}
        self.next_day = {zone: day_at(zone, now) for zone in zones}
        self.corrections: list[Correction] = []
        self._changed: set[tuple[str, date, str]] = set()
        """Closed days of which something arrived since the last proposals."""

    def add_server(self, name: str, began: int) -> None:
        """Add a server whose accounting began then."""
        self.servers[name] = PlainServer(began, began)

    def receive(self, name: str, upto: int, parts: Sequence[Part], state: str = "counted") -> None:
        """Apply a report: it covers the time up to `upto`."""
        server = self.servers[name]
        for zone in self.zones:  # of a server that is new, days that are closed have only changes
            for day in days_between(day_at(zone, server.began), self.next_day[zone] - timedelta(days=1)):
                if (zone, day, name) not in self.closings:
                    self.closings[zone, day, name] = Closing(self.now, "late", 0, 0, None, self.rules)
        border = self.now - self.late_after_ms
        for part in parts:
            came = part.minute if part.minute >= server.watermark else part.minute + MINUTE
            server.add(replace(part, is_late=came < border))
            keys = {(zone, day_at(zone, part.minute), name) for zone in self.zones}
            self._changed |= keys & self.closings.keys()
        begin = server.watermark
        if state != "counted":
            server.spans.append((begin, upto, state))
        else:
            live_from = begin if begin >= border else min(upto, -(-border // MINUTE) * MINUTE)
            server.spans += [
                (one, two, word)
                for one, two, word in ((begin, live_from, "backfilled"), (live_from, upto, "live"))
                if one < two
            ]
        server.watermark = upto

    def close_what_is_due(self) -> None:
        """Close each day of which every server has reported all; days close in order."""
        for zone in self.zones:
            while self._close_next(zone):
                self.next_day[zone] += timedelta(days=1)
        self._propose()

    def _close_next(self, zone: str) -> bool:
        day = self.next_day[zone]
        _, end = bounds_of(zone, day)
        ran = [name for name, server in self.servers.items() if server.began < end]
        owing = [name for name in ran if self.servers[name].watermark < end + self.settle_ms]
        if end > self.now or any((zone, day, name) not in self.closings for name in owing):
            return False
        for name in ran:
            self._close(zone, day, name, "watermark")
        return True

    def close_by_operator(self, zone: str, day: date, name: str) -> None:
        """Close a day of one server as it is."""
        self._close(zone, day, name, "operator")

    def _close(self, zone: str, day: date, name: str, rule: str) -> None:
        server = self.servers[name]
        closing = Closing(self.now, rule, server.count, len(server.spans), server.watermark, self.rules)
        self.closings.setdefault((zone, day, name), closing)

    # Corrections.

    def later_parts(self, zone: str, day: date, name: str) -> list[Part]:
        """Return what arrived of a closed day after its closing."""
        closed = self.closings[zone, day, name].parts
        return [part for number, part in self.servers[name].parts_between(*bounds_of(zone, day)) if number >= closed]

    def _propose(self) -> None:
        for key in sorted(self._changed):
            self.propose(*key, by="service")
        self._changed.clear()

    def propose(self, zone: str, day: date, name: str, by: str) -> None:
        """Propose what is neither approved nor proposed of a closed day."""
        later, rules = self.later_parts(zone, day, name), self.closings[zone, day, name].rules
        known = [row for row in self.corrections if (row.zone, row.day, row.server) == (zone, day, name)]
        amount = subtract(sums_of(later), [row.amount for row in known])
        moved: dict[str | None, list[Part]] = defaultdict(list)
        for part in later:
            if part.stream is not None:
                moved[customer_of(part.stream, day, rules)].append(part)
        for row in known:
            for customer in row.customers:
                moved[customer] += []
        parts = {
            customer: subtract(sums_of(of_customer), [row.customers.get(customer, NONE) for row in known])
            for customer, of_customer in moved.items()
        }
        customers = {customer: sums for customer, sums in parts.items() if any(sums)}
        if any(amount) or customers:
            self.corrections.append(Correction(zone, day, name, amount, customers, by))

    def reverse(self, correction: Correction, by: str) -> None:
        """Propose to take an approved correction back."""
        self.corrections.append(
            replace(
                correction,
                amount=subtract(NONE, [correction.amount]),
                customers={name: subtract(NONE, [sums]) for name, sums in correction.customers.items()},
                proposed_by=by,
                approved_at=None,
                reverses=correction,
            )
        )

    def approved_in(self, zone: str, first: date, last: date) -> list[Correction]:
        """Return the corrections that were approved in a period, whichever day they are of."""
        begin, end = bounds_of(zone, first)[0], bounds_of(zone, last)[1]
        return [row for row in self.corrections if row.zone == zone and begin <= (row.approved_at or -1) < end]


def subtract(whole: Sums, parts: Sequence[Sums]) -> Sums:
    """Return sums without those of the parts."""
    return tuple(value - sum(part[index] for part in parts) for index, value in enumerate(whole))


def sums_of(parts: Sequence[Part]) -> Sums:
    """Return the sums of parts in the order of `SUMS`."""
    return tuple(sum(getattr(part, name) for part in parts) for name in SUMS)


def days_between(first: date, last: date) -> list[date]:
    """Return the days from one to another, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


Days = list[tuple[date, dict[str, "ServerDay"]]]


def by_day(estate: PlainEstate, zone: str, first: date, last: date) -> Days:
    """Return each day with its servers."""
    days = []
    for day in days_between(first, last):
        begin, end = bounds_of(zone, day)
        found = {
            name: ServerDay(estate, zone, day, name)
            for name, server in sorted(estate.servers.items())
            if server.began < end and begin <= estate.now
        }
        if found:
            days.append((day, found))
    return days


class ServerDay:
    """A day of a server: as it was closed, or as it is."""

    def __init__(self, estate: PlainEstate, zone: str, day: date, name: str) -> None:
        self.name = name
        server = estate.servers[name]
        self.closing = closing = estate.closings.get((zone, day, name))
        begin, end = bounds_of(zone, day)
        everything = server.parts_between(begin, end)
        count = server.count if closing is None else closing.parts
        self.parts = [part for number, part in everything if number < count]
        self.later = [part for number, part in everything if number >= count]
        self.rules = estate.rules if closing is None else closing.rules
        known = list(server.spans if closing is None else server.spans[: closing.spans])
        now, watermark = (estate.now, server.watermark) if closing is None else (closing.at, closing.watermark)
        if watermark is not None and now - watermark > estate.late_after_ms:
            known.append((watermark, now, "missing"))
        self.spans = [(max(one, begin), min(two, end), state) for one, two, state in known if one < end and two > begin]

    @property
    def state(self) -> str:
        """The state of the day."""
        if self.closing is None:
            return "provisional"
        return "adjusted" if self.later or self.closing.rule == "late" else "final"

    @cached_property
    def coverage(self) -> dict[str, int]:
        """How long each state was, in milliseconds."""
        lengths = dict.fromkeys(STATES, 0)
        for one, two, state in self.spans:
            lengths[state] += two - one
        return lengths

    @cached_property
    def samples(self) -> tuple[frozenset[int], frozenset[int]]:
        """The five minutes in which the server ran, and those of them that are not completely live or backfilled."""
        ran: dict[int, int] = defaultdict(int)
        for one, two, state in self.spans:
            for five in range(one // FIVE * FIVE, two, FIVE):
                length = min(two, five + FIVE) - max(one, five)
                ran[five] += length if state in ("live", "backfilled") else 0
        return frozenset(ran), frozenset(five for five, length in ran.items() if length < FIVE)

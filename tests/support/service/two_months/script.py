"""The script: media events of every server, their reports to the real service over HTTP, and the same for the model."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random

import msgspec

from streamusage.api.report import Peak as ReportedPeak
from streamusage.api.report import PeakWindow, Report, SlotRow, StreamSlotRow
from streamusage.client.usage_client import UsageClient
from streamusage.service.accounting.closing import is_accounting_due
from streamusage.service.accounting.corrections import is_proposal_due
from streamusage.service.rules.customers import CustomerRules, DatedRule
from tests.streamusage.service.conftest import Estate
from tests.support.service.parties.reporting import ReportingAgent, Rows
from tests.support.service.two_months.plain_model import MINUTE, Correction, Part, Peak, PlainEstate
from tests.support.service.two_months.plain_rules import PlainRule, Stream
from tests.support.waiting import wait_until

HOUR = 60 * MINUTE
DAY = 24 * HOUR
ZONES = ("Europe/Berlin", "Asia/Kolkata")
SYNC_MS = 4 * HOUR
LATE_AFTER_MS = 3 * SYNC_MS
SETTLE_MS = 2 * MINUTE
ROLES = {"edge-1": "edge", "edge-2": "edge", "origin-1": "origin", "edge-3": "edge"}
FIRST_SERVERS = ("edge-1", "edge-2", "origin-1")
STREAMS: tuple[Stream, ...] = (
    ("live", "news"), ("live", "match-1"), ("live", "match-2"), ("acme", "main"), ("acme/eu", "a/b"),
    ("beta", "50% off"), ("gamma", "x"),
)  # fmt: skip
REPORT_TIMES = (7 * HOUR, 18 * HOUR + 31 * MINUTE, 22 * HOUR, 23 * HOUR + MINUTE)
"""Times of a UTC day: some are within the two minutes after midnight in a zone."""
BUSY = (0, 18 * HOUR + 28 * MINUTE, 18 * HOUR + 58 * MINUTE, 21 * HOUR + 58 * MINUTE, 22 * HOUR + 58 * MINUTE)
"""Times of a UTC day from which on four minutes have figures: around midnight of all zones, and around the time that
is late in the first report of the next day."""


def at(month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """Return an instant of 2026."""
    return int(datetime(2026, month, day, hour, minute, tzinfo=UTC).timestamp()) * 1000


def product_rules(rules: Iterable[PlainRule]) -> CustomerRules:
    """Return rules as the service reads them from its file."""
    return CustomerRules(
        [
            DatedRule(
                name=rule.name,
                scopes=rule.scopes,
                streams=rule.streams,
                first_day=None if rule.first_day == date.min else rule.first_day,
                last_day=None if rule.last_day == date.max else rule.last_day,
            )
            for rule in rules
        ]
    )


class LongSyncAgent(ReportingAgent):
    """An agent that reports every few hours."""

    def report(self, *rows: Rows, upto_ms: int | None = None, state: str = "counted", reason: str = "") -> Report:
        began = self.watermark
        found = super().report(*rows, upto_ms=upto_ms, state=state, reason=reason)
        baseline = msgspec.structs.replace(
            found.baseline,
            started_at=began,
            since=began,
            window=PeakWindow(found.baseline.at, 0, 0),
        )
        return msgspec.structs.replace(found, baseline=baseline, sync_interval_ms=SYNC_MS)


@dataclass
class Minute:
    """The totals of a minute of a server, as a journal has them."""

    protocols: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    totals: list[int] = field(default_factory=lambda: [0, 0, 0])
    streams: dict[Stream, list[int]] = field(default_factory=dict)
    words: dict[Stream, str] = field(default_factory=dict)
    peaks: list[Peak | None] = field(default_factory=lambda: [None, None])

    def add(self, part: Part) -> None:
        """Add units."""
        for protocol, count in part.protocols.items():
            self.protocols[protocol] += count
        units = (part.bytes_in, part.bytes_out, part.view_time_ms)
        self.totals = [a + b for a, b in zip(self.totals, units, strict=True)]
        if part.stream is not None:
            known = self.streams.setdefault(part.stream, [0, 0, 0, 0])
            self.streams[part.stream] = [a + b for a, b in zip(known, (part.connections, *units), strict=True)]
            self.words[part.stream] = part.word
        for way, peak in enumerate(part.peaks or ()):
            known_peak = self.peaks[way]
            if known_peak is None or peak.bps > known_peak.bps:
                self.peaks[way] = peak

    def rows(self, slot: int) -> list[SlotRow | StreamSlotRow]:
        """Return the rows of a report."""
        names = ("bytes_in", "bytes_out", "view_time_ms")
        peaks = [None if peak is None else ReportedPeak(peak.bps, peak.at, 20_000) for peak in self.peaks]
        return [
            SlotRow(
                slot=slot,
                revision=0,
                connections=dict(self.protocols),
                peak_in=peaks[0],
                peak_out=peaks[1],
                **dict(zip(names, self.totals, strict=True)),
            ),
            *(
                StreamSlotRow(
                    slot=slot,
                    scope=scope,
                    name=name,
                    revision=0,
                    traffic=self.words[scope, name],  # type: ignore[arg-type]
                    connections=units[0],
                    **dict(zip(names, units[1:], strict=True)),
                )
                for (scope, name), units in self.streams.items()
            ),
        ]


class Script:
    """Runs an estate and the model of it side by side."""

    def __init__(self, estate: Estate, plain: PlainEstate, seed: int, *, raise_share: float = 0.06) -> None:
        self.estate, self.plain, self.seed = estate, plain, seed
        self.raise_share = raise_share
        self.random = Random(seed)
        self.agents: dict[str, LongSyncAgent] = {}
        self.minutes: dict[str, dict[int, Minute]] = {}
        self.away: set[str] = set()
        self.loses: dict[str, str] = {}
        """State of the time in the next report of a server, if it is not counted."""
        self.happened: dict[str, int] = defaultdict(int)

    def continue_with(self, estate: Estate) -> None:
        """Continue with the service after its restart."""
        self.estate = estate
        for agent in self.agents.values():
            agent.estate = estate

    def add_server(self, name: str, began: int) -> None:
        """Add a server whose first report covers the time from `began` on."""
        agent = self.agents[name] = LongSyncAgent(self.estate, name, ROLES[name], life=f"{name}.1")  # type: ignore[arg-type]
        agent.watermark = began
        self.minutes[name] = {}
        self.plain.add_server(name, began)

    def change_rules(self, rules: Sequence[PlainRule]) -> None:
        """Replace the customers file."""
        self.plain.rules = tuple(rules)
        self.estate.running.service.customers.replace_with(product_rules(rules))

    async def run_until(self, end: int) -> None:
        """Let time pass, with reports at the times of the script."""
        day = self.plain.now // DAY * DAY
        while day < end:
            for time in REPORT_TIMES:
                if self.plain.now < day + time <= end:
                    await self._round(day + time)
            day += DAY

    async def _round(self, now: int) -> None:
        self.plain.now = self.estate.clock.now = now
        present = [name for name in self.agents if name not in self.away]
        # The server that owes most reports last: until then, no day can be closed that waits for it.
        for name in sorted(present, key=lambda name: -self.agents[name].watermark):
            await self._report(name, now)
        await self.settle()
        self.plain.close_what_is_due()

    async def _report(self, name: str, now: int) -> None:
        agent, known = self.agents[name], self.minutes[name]
        state = self.loses.pop(name, "counted")
        parts = []
        if state != "lost":
            for minute in busy_minutes(self.seed, name, agent.watermark, now):
                parts += self._parts(name, minute)
        if known and self.random.random() < self.raise_share:
            minute = self.random.choice(list(known)[-300:])
            parts += self._late_parts(name, minute)
            self.happened["raised minutes"] += 1
        for part in parts:
            known.setdefault(part.minute, Minute()).add(part)
        rows = [row for minute in sorted({part.minute for part in parts}) for row in known[minute].rows(minute)]
        if not agent.epoch:
            await agent.begin()
        report = agent.report(*rows, upto_ms=now, state=state, reason="" if state == "counted" else "journal destroyed")
        self.plain.receive(name, now, parts, state)
        for _ in range(1 + (self.random.random() < 0.05)):  # a report may be sent twice
            answer = await agent.send(report)
            assert answer.status_code == 200, answer.text

    def _parts(self, name: str, minute: int) -> list[Part]:
        random = Random(f"{self.seed} {name} {minute}")
        parts = [self._part(random, name, minute, stream) for stream in random.sample(STREAMS, random.randrange(1, 5))]
        rest = random.randrange(1, 5_000) if random.random() < 0.4 else 0
        total_in, total_out = (sum(getattr(part, way) for part in parts) for way in ("bytes_in", "bytes_out"))
        peaks = (self._peak(random, minute, total_in), self._peak(random, minute, total_out + rest))
        return [*parts, Part(minute, None, {}, 0, rest, 0, "", peaks=peaks)]

    def _part(self, random: Random, name: str, minute: int, stream: Stream) -> Part:
        protocols = {protocol: random.randrange(1, 4) for protocol in ("hls", "rtmp") if random.random() < 0.4}
        word = "apportioned" if (name, stream[0]) == ("edge-2", "gamma") else "measured"
        sizes = random.randrange(1, 90_000), random.randrange(1, 900_000)
        return Part(minute, stream, protocols, *sizes, random.randrange(1, 200_000), word)

    def _peak(self, random: Random, minute: int, moved: int) -> Peak:
        return Peak(moved * 8 // random.choice((20, 30, 60)), minute + random.choice((20, 40, 60)) * 1000)

    def _late_parts(self, name: str, minute: int) -> list[Part]:
        """Return units that a log had, and that are counted later: of a stream, or of none; or bytes that were not by
        stream, and are found to be of one."""
        known = self.minutes[name][minute]
        left = known.totals[1] - sum(units[2] for units in known.streams.values())
        if left and self.random.random() < 0.5:
            self.happened["moved to a stream"] += 1
            found = self.random.choice(list(known.streams) or [STREAMS[0]])
            word = known.words.get(found, "measured")
            return [Part(minute, found, {}, 0, left, 0, word), Part(minute, None, {}, 0, -left, 0, "")]
        stream = self.random.choice((*STREAMS, None))
        if stream is None:
            return [Part(minute, None, {"rtmp": 1}, 0, self.random.randrange(1, 9_000), 7, "")]
        return [self._part(self.random, name, minute, stream)]

    async def settle(self) -> None:
        """Wait until the service has summed, closed and proposed all that is due."""
        service = self.estate.running.service
        zones, now_ms, settle_ms = service.account_zones, self.estate.clock.now, service.close_settle_ms

        async def is_settled() -> bool:
            return not await service.read(
                lambda connection: (
                    is_accounting_due(connection, zones, now_ms, settle_ms) or is_proposal_due(connection)
                )
            )

        await wait_until(is_settled, "hours are summed, days closed and corrections proposed", every_seconds=0.005)

    async def close_by_operator(self, zone: str, day: date, server: str) -> None:
        """Close a day of a server that is away."""
        body = {"day": day.isoformat(), "tz": zone, "server": server}
        answer = await self.estate.request("POST", "/api/v1/days/close", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["closed"] == [server]
        self.plain.close_by_operator(zone, day, server)
        await self.settle()
        self.plain.close_what_is_due()

    # Corrections. The model knows them by what they change; the service gives numbers.

    async def number_of(self, client: UsageClient, correction: Correction) -> int:
        """Return the number of a correction at the service."""
        day, zone = correction.day, correction.zone
        found = (await client.evidence.corrections(day, day, zone, server=correction.server)).corrections
        same = [
            row for row in self.plain.corrections if (row.zone, row.day, row.server) == (zone, day, correction.server)
        ]
        return found[same.index(correction)].id

    async def approve(self, client: UsageClient, correction: Correction) -> None:
        """Approve a correction."""
        await client.evidence.approve(await self.number_of(client, correction))
        correction.approved_at = self.plain.now

    async def propose(self, client: UsageClient, correction: Correction) -> Correction:
        """Propose anew what is pending in the day of a correction that was taken back."""
        day, zone, server = correction.day, correction.zone, correction.server
        await client.evidence.propose(day, zone, server, "counted for this server after all")
        self.plain.propose(zone, day, server, by="boss")
        return self.plain.corrections[-1]

    async def reverse(self, client: UsageClient, second: UsageClient, correction: Correction) -> None:
        """Take an approved correction back: one token proposes it, another approves."""
        await client.evidence.reverse(await self.number_of(client, correction), "approved for the wrong server")
        self.plain.reverse(correction, "boss")
        await self.approve(second, self.plain.corrections[-1])


def busy_minutes(seed: int, name: str, begin: int, end: int) -> list[int]:
    """Return the minutes of an interval in which a server has figures."""
    found = []
    day = begin // DAY * DAY
    while day < end:
        random = Random(f"{seed} {name} {day}")
        own = [day + busy + offset * MINUTE for busy in BUSY for offset in range(4)]
        own += [day + random.randrange(1440) * MINUTE for _ in range(3)]
        found += sorted(minute for minute in set(own) if begin <= minute < end)
        day += DAY
    return found


def days_of(first: date, last: date) -> list[date]:
    """Return the days from one to another, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]

"""An agent of a random estate that reports publishes and samples beside its slots, and sends some of them again."""

from random import Random
from typing import NamedTuple

import msgspec

from streamusage.api.report import Report, Role, SampleRow, SessionRow
from streamusage.core.coverage import SLOT_MS, slot_of
from tests.support.service.random_estate import STREAMS, RandomAgent

SENT_AGAIN = 4
"""How many samples a report repeats at most, as one to a restored service does."""


class Publish(NamedTuple):
    """A publish of a stream at its source."""

    stream: tuple[str, str]
    start_time: int
    end_time: int


def random_publishes(random: Random, from_ms: int, to_ms: int) -> list[Publish]:
    """Return publishes of all streams in a time: minutes to days long, with short and long pauses."""
    publishes = []
    for stream in STREAMS:
        at = from_ms + random.randrange(3_600_000)
        while at < to_ms:
            ends = at + random.choice((300_000, 5_000_000, 30_000_000, 200_000_000)) + random.randrange(300_000)
            publishes.append(Publish(stream, at, ends))
            at = ends + random.choice((2_000, 90_000, 20_000_000))
    return publishes


class PublishingAgent(RandomAgent):
    """An agent of a server that carries some streams, as their source or as a relay."""

    def __init__(self, server: str, role: Role, since: int, publishes: list[Publish], chance: Random) -> None:
        super().__init__(server, since)
        self.role = role
        delay = 0 if role == "origin" else 300
        self.publishes = {
            f"{publish.start_time}": publish._replace(start_time=publish.start_time + delay * chance.randrange(1, 60))
            for publish in publishes
        }
        self.samples: dict[tuple[int, tuple[str, str]], SampleRow] = {}
        self.ended: set[str] = set()
        self.totals: dict[str, int] = {}
        self.highest: dict[str, int] = {}

    def report(self, random: Random, upto_ms: int, late_slots: int = 0) -> Report:
        """Return a report with the publishes and samples since the last one."""
        sessions, samples = [], []
        for publish_id, publish in self.publishes.items():
            if publish_id in self.ended or publish.start_time >= upto_ms:
                continue
            live = publish.end_time > upto_ms
            end_time = min(publish.end_time, upto_ms)
            active = 0
            of_publish = self._sample(random, publish, end_time)
            if of_publish:
                active = of_publish[-1].active
            samples += of_publish
            self.totals[publish_id] = self.totals.get(publish_id, 0) + random.randrange(9)
            self.highest[publish_id] = max([self.highest.get(publish_id, 0), *(row.highest for row in of_publish)])
            self.revision += 1
            sessions.append(
                SessionRow(
                    publish_id=publish_id,
                    revision=self.revision,
                    scope=publish.stream[0],
                    name=publish.stream[1],
                    start_time=publish.start_time,
                    end_time=max(end_time, publish.start_time),
                    live=live,
                    active=active if live else 0,
                    highest=self.highest[publish_id],
                    total=self.totals[publish_id],
                )
            )
            if not live:
                self.ended.add(publish_id)
        if random.random() < 0.4:
            sent = {(row.slot, row.name) for row in samples}
            known = [row for key, row in self.samples.items() if (row.slot, row.name) not in sent]
            samples += random.sample(known, min(SENT_AGAIN, len(known)))
        numbered = []
        for row in samples:
            self.revision += 1
            numbered.append(msgspec.structs.replace(row, revision=self.revision))
            self.samples[row.slot, (row.scope, row.name)] = numbered[-1]
        report = super().report(random, upto_ms, late_slots)
        return msgspec.structs.replace(report, role=self.role, sessions=tuple(sessions), samples=tuple(numbered))

    def _sample(self, random: Random, publish: Publish, end_time: int) -> list[SampleRow]:
        """Return new samples of a publish: some minutes after the last report, and the last minutes before this one."""
        first = slot_of(max(publish.start_time, self.watermark))
        last = slot_of(end_time)
        if last < first:
            return []
        minutes = range(first, last + 1, SLOT_MS)
        chosen = {*minutes[:3], *minutes[-3:], *random.sample(minutes, min(4, len(minutes)))}
        rows = []
        for slot in sorted(chosen):
            known = self.samples.get((slot, publish.stream))
            active = random.randrange(40)
            rows.append(
                SampleRow(
                    slot=slot,
                    scope=publish.stream[0],
                    name=publish.stream[1],
                    revision=0,
                    active=active,
                    highest=max(active, 0 if known is None else known.highest),
                )
            )
        return rows

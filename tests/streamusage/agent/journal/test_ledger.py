"""Ledger: unacknowledged figures to the unit and minute, and folding of samples in a long outage."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from streamusage.agent.journal.folding import FOLD_AFTER_MS, QUARTER_MS
from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.api.report import Acknowledgement, Based, EpochIssued, SampleRow
from tests.faults.media_server import MediaServer

MINUTE = 60_000
NOW = 20_000 * 24 * 60 * MINUTE


class CountingAgent:
    """A ledger that counts a media server in simulated time."""

    def __init__(self, directory: Path) -> None:
        self.server = MediaServer(Random(1), NOW)
        self.journal = SqliteJournal(directory / "journal.db", synchronous="off")
        self.ledger = Ledger(self.journal, "journal-1", "edge-1", "edge", 10_000)
        self.now = NOW
        self.take_reading()
        self.ledger.continue_from(EpochIssued(epoch=1, based_on=Based(0, 0), now=NOW), ())

    def take_reading(self) -> None:
        self.ledger.record(self.server.read(self.now, self.ledger.cursor))

    def count_minute(self, *, viewers: int = 0) -> None:
        self.now += MINUTE // 2
        for _ in range(viewers):
            self.server.connect(self.now, "play", "stage-1")
        self.server.move_bytes(self.now)
        self.now += MINUTE // 2
        self.take_reading()

    def report(self) -> int:
        """Build a report, and return its newest revision."""
        report = self.ledger.report(self.now, "online")
        assert report is not None
        return report.upto

    def acknowledge(self, revision: int) -> None:
        self.ledger.acknowledge(Acknowledgement(epoch=1, acknowledged=revision, now=self.now), self.now)

    @property
    def unacknowledged_connections(self) -> int:
        head = self.ledger.head
        return (head.counted - head.handed_over).connections


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[CountingAgent]:
    agent = CountingAgent(tmp_path)
    yield agent
    agent.journal.close()


def test_acknowledgement_covers_the_figures_of_the_report_and_no_later_ones(counting: CountingAgent) -> None:
    counting.server.connect(counting.now, "publish", "stage-1")
    counting.count_minute(viewers=3)
    upto = counting.report()
    counting.now += 1
    for _ in range(2):
        counting.server.connect(counting.now, "play", "stage-1")
    counting.take_reading()
    assert counting.unacknowledged_connections == 5
    counting.acknowledge(upto)
    assert counting.unacknowledged_connections == 2
    assert counting.ledger.head.handed_over.connections == 3


def test_restored_service_is_missing_the_figures_that_it_lost(counting: CountingAgent) -> None:
    counting.count_minute(viewers=3)
    early = counting.report()
    counting.acknowledge(early)
    for _ in range(3):
        counting.count_minute(viewers=2)
    counting.acknowledge(counting.report())
    assert (counting.unacknowledged_connections, counting.ledger.oldest_unacknowledged_slot()) == (0, None)
    counting.acknowledge(early)
    assert counting.unacknowledged_connections >= 6
    assert counting.ledger.oldest_unacknowledged_slot() == NOW + MINUTE


def test_oldest_unacknowledged_slot_is_the_first_that_the_service_lacks(counting: CountingAgent) -> None:
    assert counting.ledger.oldest_unacknowledged_slot() is None
    for _ in range(10):
        counting.count_minute(viewers=1)
    assert counting.ledger.oldest_unacknowledged_slot() == NOW


def samples(counting: CountingAgent) -> dict[int, SampleRow]:
    report = counting.ledger.report(counting.now, "online")
    assert report is not None
    return {row.slot: row for row in report.samples}


def test_old_unacknowledged_samples_fold_to_quarters_and_keep_the_highest(counting: CountingAgent) -> None:
    counting.server.connect(counting.now, "publish", "stage-1")
    hours = 5
    seen: dict[int, list[int]] = {}
    for minute in range(hours * 60):
        if minute % 20 == 7:
            for number in [number for number, connection in counting.server.open.items() if connection.kind == "play"]:
                counting.server.disconnect(counting.now + 1, number)
        counting.count_minute(viewers=1)
        watching = sum(connection.kind == "play" for connection in counting.server.open.values())
        seen.setdefault(counting.now // QUARTER_MS * QUARTER_MS, []).append(watching)
    reported = samples(counting)
    folded = [slot for slot in reported if slot + QUARTER_MS + FOLD_AFTER_MS <= counting.now]
    quarters = (hours * 60 * MINUTE - FOLD_AFTER_MS) // QUARTER_MS
    assert sorted(folded) == [NOW + number * QUARTER_MS for number in range(quarters)]
    assert len(reported) - len(folded) == pytest.approx(FOLD_AFTER_MS // MINUTE, abs=1)
    assert {slot: reported[slot].highest for slot in folded[1:]} == {slot: max(seen[slot]) for slot in folded[1:]}
    assert len(counting.ledger.report(counting.now, "online").slots) > hours * 60 - 2, "slots are never folded"  # type: ignore[union-attr]


def test_acknowledged_samples_are_not_folded(counting: CountingAgent) -> None:
    counting.server.connect(counting.now, "publish", "stage-1")
    for _ in range(30):
        counting.count_minute(viewers=1)
    counting.acknowledge(counting.report())
    for _ in range(4 * 60):
        counting.count_minute()
    with counting.journal.transaction() as tx:
        assert len(list(tx.samples_between(NOW, NOW + 2 * QUARTER_MS))) >= 29


def test_acknowledged_revision_above_the_journals_own_fences_an_older_copy(
    counting: CountingAgent,
) -> None:
    counting.count_minute(viewers=1)
    counting.acknowledge(counting.ledger.head.revision)
    assert not counting.ledger.head.fenced
    counting.acknowledge(counting.ledger.head.revision + 1)
    assert counting.ledger.head.fenced
    counting.acknowledge(counting.ledger.head.revision)
    assert counting.ledger.head.fenced, "a fenced journal stays fenced"

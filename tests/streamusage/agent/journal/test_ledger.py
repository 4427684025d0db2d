"""What a ledger owes, to the unit and to the minute, and how samples of a long outage become few."""

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


class Counting:
    """A ledger over a media server in simulated time."""

    def __init__(self, directory: Path) -> None:
        self.server = MediaServer(Random(1), NOW)
        self.journal = SqliteJournal(directory / "journal.db", synchronous="off")
        self.ledger = Ledger(self.journal, "journal-1", "edge-1", "edge", 10_000)
        self.now = NOW
        self.read()
        self.ledger.continue_from(EpochIssued(epoch=1, based_on=Based(0, 0), now=NOW), ())

    def read(self) -> None:
        self.ledger.record(self.server.read(self.now, self.ledger.cursor))

    def a_minute(self, *, viewers: int = 0) -> None:
        self.now += MINUTE // 2
        for _ in range(viewers):
            self.server.connect(self.now, "play", "stage-1")
        self.server.move_bytes(self.now)
        self.now += MINUTE // 2
        self.read()

    def report(self) -> int:
        """Sends a report, and tells the revision up to which it speaks."""
        report = self.ledger.report(self.now, "online")
        assert report is not None
        return report.upto

    def acknowledge(self, revision: int) -> None:
        self.ledger.acknowledge(Acknowledgement(epoch=1, acknowledged=revision, now=self.now), self.now)

    @property
    def owed_connections(self) -> int:
        head = self.ledger.head
        return (head.counted - head.handed_over).connections


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Counting]:
    made = Counting(tmp_path)
    yield made
    made.journal.close()


def test_what_was_counted_since_the_report_is_owed_and_not_what_the_report_told(counting: Counting) -> None:
    counting.server.connect(counting.now, "publish", "stage-1")
    counting.a_minute(viewers=3)
    upto = counting.report()
    counting.now += 1
    for _ in range(2):
        counting.server.connect(counting.now, "play", "stage-1")
    counting.read()
    assert counting.owed_connections == 5
    counting.acknowledge(upto)
    assert counting.owed_connections == 2
    assert counting.ledger.head.handed_over.connections == 3


def test_a_service_that_was_put_back_is_owed_again_what_it_lost(counting: Counting) -> None:
    counting.a_minute(viewers=3)
    early = counting.report()
    counting.acknowledge(early)
    for _ in range(3):
        counting.a_minute(viewers=2)
    counting.acknowledge(counting.report())
    assert (counting.owed_connections, counting.ledger.oldest_unacknowledged_slot()) == (0, None)
    counting.acknowledge(early)
    assert counting.owed_connections >= 6
    assert counting.ledger.oldest_unacknowledged_slot() == NOW + MINUTE


def test_the_oldest_minute_is_told_that_the_service_lacks(counting: Counting) -> None:
    assert counting.ledger.oldest_unacknowledged_slot() is None
    for _ in range(10):
        counting.a_minute(viewers=1)
    assert counting.ledger.oldest_unacknowledged_slot() == NOW


def samples(counting: Counting) -> dict[int, SampleRow]:
    report = counting.ledger.report(counting.now, "online")
    assert report is not None
    return {row.slot: row for row in report.samples}


def test_samples_that_wait_for_hours_become_one_a_quarter_and_keep_the_highest(counting: Counting) -> None:
    counting.server.connect(counting.now, "publish", "stage-1")
    hours = 5
    seen: dict[int, list[int]] = {}
    for minute in range(hours * 60):
        if minute % 20 == 7:
            for number in [number for number, each in counting.server.open.items() if each.kind == "play"]:
                counting.server.disconnect(counting.now + 1, number)
        counting.a_minute(viewers=1)
        watching = sum(each.kind == "play" for each in counting.server.open.values())
        seen.setdefault(counting.now // QUARTER_MS * QUARTER_MS, []).append(watching)
    told = samples(counting)
    folded = [slot for slot in told if slot + QUARTER_MS + FOLD_AFTER_MS <= counting.now]
    quarters = (hours * 60 * MINUTE - FOLD_AFTER_MS) // QUARTER_MS
    assert sorted(folded) == [NOW + number * QUARTER_MS for number in range(quarters)]
    assert len(told) - len(folded) == pytest.approx(FOLD_AFTER_MS // MINUTE, abs=1)
    assert {slot: told[slot].highest for slot in folded[1:]} == {slot: max(seen[slot]) for slot in folded[1:]}
    assert len(counting.ledger.report(counting.now, "online").slots) > hours * 60 - 2, "slots are never folded"  # type: ignore[union-attr]


def test_samples_that_the_service_has_are_not_folded(counting: Counting) -> None:
    counting.server.connect(counting.now, "publish", "stage-1")
    for _ in range(30):
        counting.a_minute(viewers=1)
    counting.acknowledge(counting.report())
    for _ in range(4 * 60):
        counting.a_minute()
    with counting.journal.transaction() as tx:
        assert len(list(tx.samples_between(NOW, NOW + 2 * QUARTER_MS))) >= 29


def test_a_service_that_has_more_than_was_ever_given_out_fences_an_older_copy_of_the_journal(
    counting: Counting,
) -> None:
    counting.a_minute(viewers=1)
    counting.acknowledge(counting.ledger.head.revision)
    assert not counting.ledger.head.fenced
    counting.acknowledge(counting.ledger.head.revision + 1)
    assert counting.ledger.head.fenced
    counting.acknowledge(counting.ledger.head.revision)
    assert counting.ledger.head.fenced, "for good"

"""A ledger with a journal file that counts a media server in simulated time."""

from pathlib import Path
from random import Random

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.api.report import Acknowledgement, Based, EpochIssued
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

"""What an agent keeps of an outage, across its own death, and what its reports tell of it."""

from pathlib import Path
from random import Random

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.outages import MOST_PHASES, record_failure
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.api.report import Acknowledgement, Based, EpochIssued, OutageRow, PhaseChange
from tests.faults.media_server import MediaServer

NOW = 1_000_000_000


class Running:
    """An agent's ledger on a file, which can be killed and started again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = MediaServer(Random(1), NOW)
        self.start()
        self.read(NOW)
        self.ledger.continue_from(EpochIssued(epoch=1, based_on=Based(0, 0), now=NOW), ())

    def start(self) -> None:
        self.journal = SqliteJournal(self.path)
        self.ledger = Ledger(self.journal, "journal-1", "edge-1", "edge", 10_000)

    def kill(self) -> None:
        self.journal.close()
        self.start()

    def read(self, at_ms: int) -> None:
        self.ledger.record(self.server.read(at_ms, self.ledger.cursor))

    def told(self, at_ms: int) -> tuple[OutageRow, ...]:
        report = self.ledger.report(at_ms, "recovering")
        assert report is not None
        return report.outages

    def acknowledged(self, at_ms: int) -> None:
        upto = self.ledger.head.revision
        self.ledger.acknowledge(Acknowledgement(epoch=1, acknowledged=upto, now=at_ms), at_ms)
        self.ledger.record_successful_sync(at_ms)


def test_the_report_that_ends_an_outage_tells_its_phases_also_those_before_the_agent_was_killed(tmp_path: Path) -> None:
    agent = Running(tmp_path / "journal.db")
    assert agent.told(NOW) == ()
    agent.acknowledged(NOW)
    for second in (10, 11):
        agent.ledger.record_failed_sync("retrying", "cannot be reached", NOW + second * 1_000)
    agent.ledger.record_failed_sync("accumulating", "cannot be reached", NOW + 40_000)
    agent.kill()
    agent.ledger.record_failed_sync("retrying", "HTTP 503", NOW + 90_000)
    (outage,) = agent.told(NOW + 95_000)
    assert (outage.began_at, outage.failed_attempts, outage.error) == (NOW + 10_000, 4, "HTTP 503")
    assert outage.phases == (
        PhaseChange("retrying", NOW + 10_000),
        PhaseChange("accumulating", NOW + 40_000),
        PhaseChange("retrying", NOW + 90_000),
        PhaseChange("recovering", NOW + 95_000),
    )
    agent.acknowledged(NOW + 95_200)
    agent.read(NOW + 96_000)
    (over,) = agent.told(NOW + 105_000)
    assert over.phases == (*outage.phases, PhaseChange("online", NOW + 95_200))
    agent.acknowledged(NOW + 105_100)
    assert agent.told(NOW + 115_000) == ()


def test_a_report_that_does_not_get_through_has_not_ended_the_outage(tmp_path: Path) -> None:
    agent = Running(tmp_path / "journal.db")
    agent.ledger.record_failed_sync("retrying", "away", NOW + 10_000)
    agent.told(NOW + 11_000)
    agent.ledger.record_failed_sync("retrying", "away", NOW + 41_000)
    (outage,) = agent.told(NOW + 60_000)
    assert outage.phases == (PhaseChange("retrying", NOW + 10_000), PhaseChange("recovering", NOW + 60_000))


def test_an_agent_that_starts_over_and_over_keeps_the_first_and_the_newest_phases() -> None:
    outage = None
    for number in range(100):
        outage = record_failure(outage, "accumulating" if number % 2 else "retrying", "x" * 1_000, NOW + number, number)
    assert outage is not None
    assert (len(outage.phases), outage.left_out) == (MOST_PHASES, 100 - MOST_PHASES)
    assert (outage.phases[0].at, outage.phases[1].at, outage.phases[-1].at) == (NOW, NOW + 69, NOW + 99)
    assert (outage.failed_attempts, len(outage.error)) == (100, 512)


def test_what_an_agent_tells_of_a_failure_holds_no_address() -> None:
    error = "http://10.1.2.3:5080/stats cannot be reached (ConnectError: refused)"
    outage = record_failure(None, "retrying", error, NOW, 1)
    assert outage.error == "the service cannot be reached (ConnectError: refused)"

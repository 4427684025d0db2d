"""Record of an outage across restarts of the agent, and its phases in reports."""

from pathlib import Path
from random import Random

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.outages import MOST_PHASES, record_failure
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.api.report import Acknowledgement, Based, EpochIssued, OutageRow, PhaseChange
from tests.faults.media_server import MediaServer

NOW = 1_000_000_000


class RestartableAgent:
    """An agent's ledger on a file, which can be killed and restarted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = MediaServer(Random(1), NOW)
        self.start()
        self.take_reading(NOW)
        self.ledger.continue_from(EpochIssued(epoch=1, based_on=Based(0, 0), now=NOW), ())

    def start(self) -> None:
        self.journal = SqliteJournal(self.path)
        self.ledger = Ledger(self.journal, "journal-1", "edge-1", "edge", 10_000)

    def kill(self) -> None:
        self.journal.close()
        self.start()

    def take_reading(self, at_ms: int) -> None:
        self.ledger.record(self.server.read(at_ms, self.ledger.cursor))

    def reported_outages(self, at_ms: int) -> tuple[OutageRow, ...]:
        report = self.ledger.report(at_ms, "recovering")
        assert report is not None
        return report.outages

    def acknowledge_all(self, at_ms: int) -> None:
        upto = self.ledger.head.revision
        self.ledger.acknowledge(Acknowledgement(epoch=1, acknowledged=upto, now=at_ms), at_ms)
        self.ledger.record_successful_sync(at_ms)


def test_report_that_ends_an_outage_has_its_phases_before_and_after_a_restart(tmp_path: Path) -> None:
    agent = RestartableAgent(tmp_path / "journal.db")
    assert agent.reported_outages(NOW) == ()
    agent.acknowledge_all(NOW)
    for second in (10, 11):
        agent.ledger.record_failed_sync("retrying", "cannot be reached", NOW + second * 1_000)
    agent.ledger.record_failed_sync("accumulating", "cannot be reached", NOW + 40_000)
    agent.kill()
    agent.ledger.record_failed_sync("retrying", "HTTP 503", NOW + 90_000)
    (outage,) = agent.reported_outages(NOW + 95_000)
    assert (outage.began_at, outage.failed_attempts, outage.error) == (NOW + 10_000, 4, "HTTP 503")
    assert outage.phases == (
        PhaseChange("retrying", NOW + 10_000),
        PhaseChange("accumulating", NOW + 40_000),
        PhaseChange("retrying", NOW + 90_000),
        PhaseChange("recovering", NOW + 95_000),
    )
    agent.acknowledge_all(NOW + 95_200)
    agent.take_reading(NOW + 96_000)
    (ended,) = agent.reported_outages(NOW + 105_000)
    assert ended.phases == (*outage.phases, PhaseChange("online", NOW + 95_200))
    agent.acknowledge_all(NOW + 105_100)
    assert agent.reported_outages(NOW + 115_000) == ()


def test_report_that_does_not_arrive_does_not_end_the_outage(tmp_path: Path) -> None:
    agent = RestartableAgent(tmp_path / "journal.db")
    agent.ledger.record_failed_sync("retrying", "away", NOW + 10_000)
    agent.reported_outages(NOW + 11_000)
    agent.ledger.record_failed_sync("retrying", "away", NOW + 41_000)
    (outage,) = agent.reported_outages(NOW + 60_000)
    assert outage.phases == (PhaseChange("retrying", NOW + 10_000), PhaseChange("recovering", NOW + 60_000))


def test_agent_that_restarts_often_keeps_the_first_and_the_newest_phases() -> None:
    outage = None
    for number in range(100):
        outage = record_failure(outage, "accumulating" if number % 2 else "retrying", "x" * 1_000, NOW + number, number)
    assert outage is not None
    assert (len(outage.phases), outage.left_out) == (MOST_PHASES, 100 - MOST_PHASES)
    assert (outage.phases[0].at, outage.phases[1].at, outage.phases[-1].at) == (NOW, NOW + 69, NOW + 99)
    assert (outage.failed_attempts, len(outage.error)) == (100, 512)


def test_recorded_error_contains_no_address() -> None:
    error = "http://10.1.2.3:5080/stats cannot be reached (ConnectError: refused)"
    outage = record_failure(None, "retrying", error, NOW, 1)
    assert outage.error == "the service cannot be reached (ConnectError: refused)"
    outage = record_failure(None, "retrying", "http://10.1.2.3:5080: could not send the report: HTTP 503", NOW, 1)
    assert outage.error == "the service: could not send the report: HTTP 503"
    outage = record_failure(None, "retrying", "lost http://10.1.2.3:5080/", NOW, 1)
    assert outage.error == "lost the service"

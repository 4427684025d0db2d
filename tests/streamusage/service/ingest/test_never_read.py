"""A media server that never gave a reading is visible at the service, with the words of its agent."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec
from msgspec import UNSET

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.metrics import format_metrics
from streamusage.agent.reading import EndedConnection, Reading, SourceError
from streamusage.agent.runner import Agent, Link
from streamusage.agent.status_file import StatusFile
from streamusage.agent.status_output import FoundStatus, format_status
from streamusage.agent.sync.link import ServiceLink
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.api.extension import Coverage, Servers, ServerStatus
from streamusage.api.report import (
    Acknowledgement,
    ClockQuestion,
    ClockReading,
    EpochIssued,
    EpochRequest,
    Refusal,
    Report,
    SourceState,
)
from streamusage.client.errors import RefusedError
from streamusage.core.clock import Clock
from streamusage.core.reasons import NEVER_READ, SOURCE_UNREAD
from tests.faults.media_server import MediaServer
from tests.streamusage.service.conftest import NOW, Estate, an_estate
from tests.support.agent.manual_clock import HandClock
from tests.support.metrics.exposition import Scrape
from tests.support.service.parties.reporting import ReportingAgent, a_session

ERROR = "no reading of http://admin:hunter2@127.0.0.1:8080/stat?token=s3cret: connection refused\x1b[2J; start nginx"


class DeadSource:
    """A media server that cannot be read until `reading` is set."""

    def __init__(self) -> None:
        self.error = ERROR
        self.reading: Callable[[], Reading] | None = None

    async def read(self, cursor: str | None) -> Reading:
        if self.reading is None:
            raise SourceError(self.error)
        return self.reading()

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        return ()

    async def close(self) -> None: ...


class ScriptedLink:
    """A service that replies to questions for its clock as the test sets it, and refuses everything else."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.failure: RefusedError | None = None
        self.questions: list[ClockQuestion] = []

    async def issue_epoch(self, request: EpochRequest) -> EpochIssued:
        raise AssertionError("without a reading there is no epoch")

    async def send(self, report: Report) -> Acknowledgement | Refusal:
        raise AssertionError("without a reading there is no report")

    async def read_clock(self, question: ClockQuestion) -> ClockReading:
        self.questions.append(question)
        if self.failure is not None:
            raise self.failure
        return ClockReading(now=self.clock.now, received_at=self.clock.now)


def an_agent(directory: Path, source: DeadSource, link: Link, clock: Clock) -> Agent:
    return Agent(
        server="edge-1",
        source=source,
        ledger=Ledger(SqliteJournal(directory / "journal.db", synchronous="off"), "j", "edge-1", "edge", 10_000),
        link=link,
        schedule=SyncSchedule("edge-1", 10_000, 0, Random(1)),
        poll_interval_ms=1_000,
        clock=clock,
        run="boot",
    )


async def listed(estate: Estate) -> ServerStatus:
    answer = await estate.request("GET", "/api/v1/servers")
    (status,) = msgspec.json.decode(answer.content, type=Servers).servers
    return status


async def coverage(estate: Estate) -> list[tuple[str, int, int, str | None]]:
    answer = await estate.request("GET", f"/api/v1/coverage?from={NOW - 600_000}&to={NOW + 600_000}")
    servers = msgspec.json.decode(answer.content, type=Coverage).servers
    return [(span.state, span.from_ms - NOW, span.to_ms - NOW, span.reason) for span in servers[0].spans]


async def test_server_without_a_reading_is_listed_with_the_agents_words(tmp_path: Path, store_url: str) -> None:
    async with an_estate(tmp_path, store_url=store_url) as estate:
        link = ServiceLink(estate.running.url, "edge-1", lambda: "edge-1-token")
        source = DeadSource()
        agent = an_agent(tmp_path, source, link, estate.clock)
        await agent.poll()
        estate.clock.now += 20_000
        await agent.poll()
        await agent.sync()
        status = await listed(estate)
        assert status.source_error == (
            "no reading of http://127.0.0.1:8080/stat?token=…: connection refused\\x1b[2J; start nginx"
        )
        assert (status.source_error_since, status.source_error_at) == (NOW, NOW + 20_000)
        assert (status.server, status.role, status.state) == ("edge-1", "edge", "unreachable")
        assert (status.watermark, status.owed_ms) == (None, 20_000)
        assert status.is_unread
        assert not status.has_silent_agent(NOW + 50_000)
        assert status.has_silent_agent(NOW + 50_001)
        assert await coverage(estate) == [("missing", 0, 20_000, SOURCE_UNREAD)]
        metrics = (await estate.request("GET", "/metrics")).text
        assert 'streamtop_source_error{server="edge-1"} 1.0' in metrics
        assert 'streamtop_journal_lag_seconds{server="edge-1"} 20.0' in metrics
        assert 'streamtop_active_subscribers{server="edge-1"}' not in metrics
        # Another failure has other words and the same beginning.
        source.error = "still nothing"
        estate.clock.now += 10_000
        await agent.poll()
        await agent.sync()
        status = await listed(estate)
        assert (status.source_error, status.source_error_since) == ("still nothing", NOW)
        # The first reading ends it. What happened before is lost, not zero.
        estate.clock.now += 10_000
        server = MediaServer(Random(1), NOW)
        source.reading = lambda: server.read(estate.clock.now, None)
        await agent.poll()
        estate.clock.now += 10_000
        await agent.poll()
        await agent.sync()
        status = await listed(estate)
        assert (status.source_error, status.state, status.since) == (UNSET, "live", NOW)
        assert await coverage(estate) == [
            ("lost", 0, 40_000, NEVER_READ),
            ("live", 40_000, 50_000, None),
        ]
        assert 'streamtop_source_error{server="edge-1"} 0.0' in (await estate.request("GET", "/metrics")).text
        await link.close()


async def test_server_that_can_no_longer_be_read_is_listed_with_the_agents_words(tmp_path: Path) -> None:
    async with an_estate(tmp_path) as estate:
        link = ServiceLink(estate.running.url, "edge-1", lambda: "edge-1-token")
        source = DeadSource()
        agent = an_agent(tmp_path, source, link, estate.clock)
        server = MediaServer(Random(1), NOW)
        source.reading = lambda: server.read(estate.clock.now, None)
        await agent.poll()
        await agent.sync()
        assert (await listed(estate)).source_error is UNSET
        source.reading, source.error = None, "connection refused"
        estate.clock.now += 60_000
        await agent.poll()
        await agent.sync()
        status = await listed(estate)
        assert (status.source_error, status.owed_ms) == ("connection refused", 60_000)
        assert await coverage(estate) == [("missing", 0, 60_000, SOURCE_UNREAD)]
        await link.close()


async def test_service_of_an_earlier_version_disturbs_nothing(tmp_path: Path) -> None:
    clock = HandClock(NOW)
    link = ScriptedLink(clock)
    agent = an_agent(tmp_path, DeadSource(), link, clock)
    await agent.sync()
    assert link.questions == []  # not even tried: there is nothing to report yet
    link.failure = RefusedError("service", "get the time", "HTTP 404", status=404)
    await agent.poll()
    await agent.sync()
    assert (len(link.questions), agent.schedule.phase) == (1, "online")
    link.failure = RefusedError("service", "get the time", "HTTP 403", status=403)
    await agent.sync()
    assert agent.schedule.phase == "retrying"


async def test_agents_status_names_the_failure_and_its_beginning(tmp_path: Path) -> None:
    clock = HandClock(NOW)
    status_file = StatusFile("edge-1", tmp_path / "journal.db")
    agent = an_agent(tmp_path, DeadSource(), ScriptedLink(clock), clock)
    agent._status = status_file
    await agent.poll()
    clock.now += 90_000
    await agent.poll()
    agent._write_status()
    status = status_file.last
    assert status is not None
    found = FoundStatus(status, running=True, age_seconds=0)
    assert (status.source_error_since, status.last_reading_at, found.is_healthy) == (NOW, None, False)
    lines = format_status(found, clock.now)
    assert lines[0] == "edge-1  no reading yet"
    assert lines[-1].startswith("  media server   cannot be read since 2026-11-18 11:07:00 UTC (90s): no reading of")
    assert not any(secret in "".join(lines) for secret in ("hunter2", "s3cret", "\x1b"))
    metrics = Scrape(format_metrics([(status, status_file.activity)]).decode())
    since = metrics.value("streamtop_agent_source_error_since_timestamp_seconds", server="edge-1")
    assert since * 1000 == NOW
    assert metrics.value("streamtop_agent_source_errors_total", server="edge-1", kind="other") == 2


async def test_message_about_the_source_changes_nothing_of_a_removed_server(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.begin()
    await agent.request("reports", msgspec.json.encode(agent.report(a_session())))
    estate.clock.now += 60_000
    assert (await estate.request("DELETE", "/api/v1/servers/edge-1")).status_code == 200
    await agent.request("clock", msgspec.json.encode(ClockQuestion(source=SourceState(error="away"))))
    status = await listed(estate)
    assert (status.state, status.is_unread, status.owed_ms) == ("removed", False, 0)

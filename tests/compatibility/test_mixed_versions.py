"""Agent and service of two versions: today's, and the one before agents and services exchanged their clocks.

Both run as real processes on real ports, and one of them or both are upgraded in the middle of an outage. The figures
equal those of the media server. All combinations run at the same time, because most of them wait.

Some journals owe so many rows after the outage that today's service applies their report in parts. An agent of either
version sends it whole, as always.
"""

import itertools
import json
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from streamusage.agent.journal.rows import key_of
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.api.report import SampleRow
from streamusage.core.figures import STREAM_SUM_NAMES
from streamusage.service.rules.parts import LARGEST_WHOLE
from streamusage.service.store.engines.sqlite import connect_to_file
from streamusage.service.store.streams.stream_slots import decode_shares
from tests.compatibility.programs.earlier_version import BEFORE_TRUSTED_TIME, MissingCommitError, install
from tests.compatibility.programs.processes import (
    FIXTURES,
    REPOSITORY,
    TOKEN_ENVIRONMENT,
    TOKENS,
    command_line,
    started,
    wait_until,
)
from tests.compatibility.programs.running_media_server import RunningMediaServer, Truth, serving

SERVER = "media-1"
MINUTE = 60_000
OWING = ("old agent, new service", "old journal at a new service")
"""The upgrades in which the journal owes many rows."""
OWED_SLOTS = 75
OWED_STREAMS = LARGEST_WHOLE // OWED_SLOTS + 10

EARLY_START_MS = {"old": 1000, "new": 0}
"""By how much a viewer may begin too early. The old agent subtracts ages from the time at which it has read a page, so
that a busy machine moves starts back; the new one reads a start as an interval."""


class Versions(NamedTuple):
    """The programs that run: `old` or `new`."""

    agent: str
    service: str


class Upgrade(NamedTuple):
    """Versions before an outage, and after it."""

    before: Versions
    after: Versions

    @property
    def agent(self) -> str:
        """The older version of its agents: faults of that one stay in the figures."""
        return "old" if "old" in (self.before.agent, self.after.agent) else "new"


UPGRADES = {
    "old agent, new service": Upgrade(Versions("old", "new"), Versions("old", "new")),
    "new agent, old service": Upgrade(Versions("new", "old"), Versions("new", "old")),
    "old journal at a new service": Upgrade(Versions("old", "new"), Versions("new", "new")),
    "old journal at an old service": Upgrade(Versions("old", "old"), Versions("new", "old")),
    "old store, old agent": Upgrade(Versions("old", "old"), Versions("old", "new")),
    "old store, new agent": Upgrade(Versions("new", "old"), Versions("new", "new")),
    "old journal and old store": Upgrade(Versions("old", "old"), Versions("new", "new")),
}


class Result(NamedTuple):
    """What the service has in the end, and what is true."""

    truth: Truth
    days: list[dict[str, Any]]
    spans: list[dict[str, Any]]
    record: dict[str, Any]
    has_clock: tuple[bool, bool]
    """Whether the service answered requests for its clock, before and after the outage."""
    middle_of_outage_ms: int
    to_ms: int
    owed_samples: int
    """How many of the rows of `owe_samples` the service has."""
    streams: dict[str, int]
    """The sums of all streams that the service has."""


def free_port() -> int:
    """Return a port below those of outgoing connections, so that a restarted server gets it again."""
    for port in itertools.starmap(random.randrange, itertools.repeat((12_000, 20_000))):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError


class Estate:
    """A media server, its agent and the service, each of a version of its own."""

    def __init__(self, directory: Path, old: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.media = RunningMediaServer(directory / "access.log")
        self._code = {"old": old, "new": REPOSITORY}
        self._stack = ExitStack()
        self._logs = itertools.count()
        stat_url = self._stack.enter_context(serving(self.media))
        text = (FIXTURES / "agent.toml").read_text()
        for placeholder, value in (
            ('"http://127.0.0.1:1"', f'"http://127.0.0.1:{self.port}"'),
            ('"http://127.0.0.1:2/stat"', f'"{stat_url}"\naccess_log = "{self.media.log}"'),
            ('"JOURNAL"', f'"{directory / "journal.db"}"'),
        ):
            assert placeholder in text
            text = text.replace(placeholder, value)
        (directory / "agent.toml").write_text(text)

    def __enter__(self) -> "Estate":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_service(self, version: str) -> subprocess.Popen[bytes]:
        process = self._start(
            version, "serve", "--listen", f"127.0.0.1:{self.port}", "--store", f"sqlite:///{self.directory}/usage.db",
            "--tokens", str(FIXTURES / "tokens.toml"), environment=TOKEN_ENVIRONMENT,
        )  # fmt: skip

        def is_up() -> bool:
            assert process.poll() is None, "the service has exited"
            return self._status("GET", "/healthz", "viewer") == 200

        wait_until(is_up, "the service responds")
        return process

    def start_agent(self, version: str) -> subprocess.Popen[bytes]:
        token = {"STREAMTOP_AGENT_TOKEN": TOKENS[SERVER]}
        return self._start(version, "agent", "--config", str(self.directory / "agent.toml"), environment=token)

    def has_clock(self) -> bool:
        return self._status("POST", f"/api/v1/agents/{SERVER}/clock", SERVER, b"{}") == 200

    def read(self, path: str) -> Any:
        with self._request("GET", path, "viewer") as response:
            return json.load(response)

    def wait_until_reported(self) -> int:
        """Wait until the service has everything up to now. Returns the watermark.

        The old agent dates a page by the end of its reading: only a report after that one has certainly a page that
        was written after now.
        """
        now_ms = time.time_ns() // 1_000_000

        def watermark() -> int:
            servers = self.read("/api/v1/servers")["servers"]
            return max((entry["watermark"] or 0 for entry in servers if entry["server"] == SERVER), default=0)

        wait_until(lambda: watermark() >= now_ms, "the agent has reported everything")
        first = watermark()
        wait_until(lambda: watermark() > first, "the agent has reported a page that was written later")
        return watermark()

    def _start(self, version: str, *arguments: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        home, code = self.directory / f"{arguments[0]}-home", self._code[version]
        log = self.directory / f"{arguments[0]}-{version}.{next(self._logs)}.log"
        return self._stack.enter_context(
            started(command_line("tui", *arguments), home, log, environment | {"PYTHONPATH": str(code)})
        )

    def _status(self, method: str, path: str, token: str, body: bytes | None = None) -> int:
        try:
            with self._request(method, path, token, body) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def _request(self, method: str, path: str, token: str, body: bytes | None = None) -> Any:
        headers = {"Authorization": f"Bearer {TOKENS[token]}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers, method=method)
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=180)


def owe_samples(journal: Path) -> None:
    """Let the journal of an agent that does not run owe samples of many streams, newer than an hour and a half: they
    are not folded.
    """
    minute = time.time_ns() // 1_000_000 // MINUTE
    opened = SqliteJournal(journal)
    with opened.transaction() as tx:
        head = tx.head()
        assert head is not None
        revision = head.revision + 1
        for slot in range(minute - OWED_SLOTS - 5, minute - 5):
            for number in range(OWED_STREAMS):
                sample = SampleRow(
                    slot=slot * MINUTE, scope="owed", name=f"s{number}", revision=revision, active=1, highest=1
                )
                tx.put(key_of(sample)[1], sample)
        tx.put_head(msgspec.structs.replace(head, revision=revision))
    opened.close()


def count_owed_samples(store: Path) -> int:
    with closing(connect_to_file(store)) as connection:
        rows = connection.execute("SELECT slot FROM samples GROUP BY slot HAVING count(*) >= ?", (OWED_STREAMS,))
        return len(rows.fetchall()) * OWED_STREAMS


def sum_streams(store: Path) -> dict[str, int]:
    """Return the sums of the figures by stream; of a store without the table, none."""
    sums: Counter[str] = Counter()
    with closing(connect_to_file(store)) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'stream_slots'").fetchone():
            for (body,) in connection.execute("SELECT streams FROM stream_slots"):
                for share in decode_shares(body):
                    sums.update({name: getattr(share, name) for name in STREAM_SUM_NAMES})
    return dict(sums)


def run_upgrade(upgrade: Upgrade, directory: Path, old: Path, *, is_owing: bool) -> Result:
    """Let viewers watch before, during and after an outage in which both processes are replaced."""
    directory.mkdir()
    began_ms = time.time_ns() // 1_000_000
    with Estate(directory, old) as estate:
        media = estate.media
        service = estate.start_service(upgrade.before.service)
        agent = estate.start_agent(upgrade.before.agent)
        estate.wait_until_reported()
        clock_before = estate.has_clock()
        publisher = media.publish("s1")
        viewers = [media.watch("s1"), media.watch("s1")]
        time.sleep(2)
        viewers.append(media.watch("s1"))
        estate.wait_until_reported()

        service.kill()
        service.wait()
        outage_ms = time.time_ns() // 1_000_000
        media.disconnect(viewers.pop(0))
        visitor = media.watch("s1")
        time.sleep(2.5)
        agent.kill()
        agent.wait()
        media.disconnect(visitor, viewers.pop(0))
        viewers.append(media.watch("s1"))
        time.sleep(1.5)
        if is_owing:
            owe_samples(directory / "journal.db")
        agent = estate.start_agent(upgrade.after.agent)
        time.sleep(2.5)
        media.disconnect(viewers.pop(0))
        outage_ms = (outage_ms + time.time_ns() // 1_000_000) // 2
        estate.start_service(upgrade.after.service)
        estate.wait_until_reported()

        clock_after = estate.has_clock()
        viewers.append(media.watch("s1"))
        time.sleep(1.5)
        media.disconnect(*viewers, publisher)
        to_ms = estate.wait_until_reported()
        today = datetime.now(UTC).date()
        days = estate.read(f"/api/v1/daily?from={today - timedelta(1)}&to={today}&tz=UTC&server={SERVER}")["days"]
        (covered,) = estate.read(f"/api/v1/coverage?from={began_ms}&to={to_ms}&server={SERVER}")["servers"]
        (record,) = estate.read("/api/v1/changes")["records"]
        owed, streams = count_owed_samples(directory / "usage.db"), sum_streams(directory / "usage.db")
        clocks = clock_before, clock_after
        return Result(media.truth, days, covered["spans"], record, clocks, outage_ms, to_ms, owed, streams)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Result]]]:
    directory = tmp_path_factory.mktemp("versions")
    old = directory / "old"
    try:
        install(BEFORE_TRUSTED_TIME, old)
    except MissingCommitError as error:
        pytest.fail(str(error), pytrace=False)
    with ThreadPoolExecutor(len(UPGRADES)) as pool:
        yield {
            name: pool.submit(
                run_upgrade, upgrade, directory / name.replace(" ", "-").replace(",", ""), old, is_owing=name in OWING
            )
            for name, upgrade in UPGRADES.items()
        }


@pytest.mark.parametrize("name", UPGRADES)
def test_figures_equal_those_of_the_media_server(name: str, results: dict[str, Future[Result]]) -> None:
    result = results[name].result()
    truth, upgrade = result.truth, UPGRADES[name]

    def total(figure: str) -> int:
        return int(sum(day[figure] for day in result.days))

    assert result.has_clock == (upgrade.before.service == "new", upgrade.after.service == "new")
    assert total("connections") == truth.connections == 6
    assert (total("bytes_in"), total("bytes_out")) == (truth.bytes_in, truth.bytes_out)
    # The log rounds each visit down to whole seconds.
    least_ms = truth.logged_view_s * 1000
    assert least_ms <= total("view_time_ms") <= least_ms + truth.connections * (1000 + EARLY_START_MS[upgrade.agent])
    assert (result.record["totalSubscribers"], result.record["aciveSubscribers"]) == (truth.connections, 0)


@pytest.mark.parametrize("name", UPGRADES)
def test_only_a_new_agent_reports_streams_and_only_to_a_new_service(
    name: str, results: dict[str, Future[Result]]
) -> None:
    result = results[name].result()
    has_streams = UPGRADES[name].after == Versions("new", "new")
    assert bool(result.streams) == has_streams
    for figure, total in result.streams.items():
        assert total <= sum(day[figure] for day in result.days)
    assert not has_streams or result.streams["view_time_ms"] > 0


@pytest.mark.parametrize("name", UPGRADES)
def test_outage_is_backfilled_and_no_time_is_without_a_state(name: str, results: dict[str, Future[Result]]) -> None:
    result = results[name].result()
    spans = result.spans
    assert [span["from"] for span in spans[1:]] == [span["to"] for span in spans[:-1]]
    assert spans[-1]["to"] == result.to_ms
    assert {span["state"] for span in spans} <= {"live", "backfilled"}, spans
    during = [span["state"] for span in spans if span["from"] <= result.middle_of_outage_ms < span["to"]]
    assert during == ["backfilled"], spans


@pytest.mark.parametrize("name", OWING)
def test_report_above_the_size_of_a_part_arrives_whole(name: str, results: dict[str, Future[Result]]) -> None:
    assert results[name].result().owed_samples == OWED_SLOTS * OWED_STREAMS

"""Agent and service of two versions: today's, and the one before agents and services exchanged their clocks.

Both run as real processes on real ports, and one of them or both are upgraded in the middle of an outage. The figures
equal those of the media server. All combinations run at the same time, because most of them wait.
"""

import itertools
import json
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.compatibility.earlier_version import BEFORE_TRUSTED_TIME, MissingCommitError, install
from tests.compatibility.processes import (
    FIXTURES,
    REPOSITORY,
    TOKEN_ENVIRONMENT,
    TOKENS,
    command_line,
    started,
    wait_until,
)
from tests.compatibility.running_media_server import RunningMediaServer, Truth, serving

SERVER = "media-1"

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
        """Wait until the service has everything up to now. Returns the watermark."""
        now_ms = time.time_ns() // 1_000_000

        def is_past() -> int:
            servers = self.read("/api/v1/servers")["servers"]
            return max((entry["watermark"] or 0 for entry in servers if entry["server"] == SERVER), default=0)

        wait_until(lambda: is_past() >= now_ms, "the agent has reported everything")
        return is_past()

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


def run_upgrade(upgrade: Upgrade, directory: Path, old: Path) -> Result:
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
        return Result(media.truth, days, covered["spans"], record, (clock_before, clock_after), outage_ms, to_ms)


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
            name: pool.submit(run_upgrade, upgrade, directory / name.replace(" ", "-").replace(",", ""), old)
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
def test_outage_is_backfilled_and_no_time_is_without_a_state(name: str, results: dict[str, Future[Result]]) -> None:
    result = results[name].result()
    spans = result.spans
    assert [span["from"] for span in spans[1:]] == [span["to"] for span in spans[:-1]]
    assert spans[-1]["to"] == result.to_ms
    assert {span["state"] for span in spans} <= {"live", "backfilled"}, spans
    during = [span["state"] for span in spans if span["from"] <= result.middle_of_outage_ms < span["to"]]
    assert during == ["backfilled"], spans

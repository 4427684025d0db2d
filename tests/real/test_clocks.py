"""Real nginx, agent and service on machines whose clocks are wrong: the figures equal nginx's own log.

All scenarios run at the same time, because most of them wait. Those in which the service's clock is right share one
service, so that each wrong machine also is a stranger to the others.
"""

import asyncio
import json
import sqlite3
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from streamusage.core.coverage import SLOT_MS
from tests.support.program import Program
from tests.support.real.estate import AgentProcess, ReportedFigures, ServiceProcess, Totals
from tests.support.real.fake_clock import remove_left_behind
from tests.support.real.nginx import LogSums, Nginx, sum_log
from tests.support.real.processes import Programs, RunningProgram, until
from tests.support.real.slow_network import SlowNetwork
from tests.support.real.wrong_clocks import SteppedClock, another_boot, offset_to_1970_s

pytestmark = pytest.mark.real_clocks

SYNC_INTERVAL_MS = 1_000
POLL_INTERVAL_MS = 500
DAY_S = 86_400
SLACK_MS = 2_000
"""How far a span may be from the interval in which no agent ran: its last reading, and the start of a process."""


@dataclass(frozen=True)
class Outcome:
    """What the service has of one server in the end, and what is true."""

    sums: LogSums
    totals: Totals
    spans: list[dict[str, Any]]
    record: dict[str, Any]
    began_ms: int
    ended_ms: int
    outages: list[tuple[int, int]]
    """When no agent ran."""
    filed: tuple[int, int]
    """The first and the last minute with figures, of all minutes that the store has for the server."""
    closed_days: int
    delay_ms: int
    """The longest time for which a process of this machine waited for a processor, as far as the test noticed."""


class Machine(ReportedFigures):
    """One nginx and its agent; `clock` is the wall clock of the agent's machine, and of nginx unless it is remote."""

    def __init__(
        self,
        name: str,
        programs: Programs,
        clip: Path,
        service: ServiceProcess,
        clock: SteppedClock | None = None,
        *,
        nginx_is_remote: bool = False,
    ) -> None:
        super().__init__(service, name)
        self.clock = clock
        directory = programs.directory / name
        directory.mkdir()
        self.nginx = Nginx(directory, programs, clip, clock=None if nginx_is_remote else clock)
        self.page_network = SlowNetwork(self.nginx.http_port)
        self.service_network = SlowNetwork(service.port)
        self._networks = (self.page_network, self.service_network)
        self.agent = AgentProcess(
            directory,
            programs,
            name,
            service,
            self.nginx,
            SYNC_INTERVAL_MS,
            poll_interval_ms=POLL_INTERVAL_MS,
            stat_url=f"{self.page_network.url}/stat",
            environment=clock.environment if clock else None,
        )
        self.agent.set_service_url(self.service_network.url)
        self.viewers: list[RunningProgram] = []
        self.outages: list[tuple[int, int]] = []
        self._publisher: RunningProgram | None = None

    def agent_output(self) -> str:
        return self.agent.output()

    async def begin(self, viewers: int = 3) -> None:
        """Start nginx, its agent, and, after the agent's first readings, a publisher and viewers."""
        await self.nginx.start()
        await self.page_network.start()
        await self.service_network.start()
        self.agent.start()
        await until(self._has_reading, "the agent has read the page")
        if not self.service_network.is_cut:
            await self.wait_until_synced()
        self._publisher = self.nginx.publish(self.server)
        await self.nginx.wait_for_clients(1)
        await self.join(viewers)

    def _has_reading(self) -> bool:
        status = self.agent.journal.with_name(f"{self.agent.journal.name}.status")
        return status.exists() and json.loads(status.read_text())["last_reading_at"] is not None

    async def join(self, viewers: int = 1) -> None:
        """Let viewers join, who stay."""
        self.viewers += [self.nginx.watch(self.server) for _ in range(viewers)]
        await self.nginx.wait_for_clients(1 + len(self.viewers))

    async def leave(self, viewers: int = 1) -> None:
        """Let the viewers leave who have watched longest."""
        for _ in range(viewers):
            await asyncio.to_thread(self.viewers.pop(0).stop)
        await self.nginx.wait_for_clients(1 + len(self.viewers))

    async def until_counted(self) -> None:
        """Wait until the service has the viewers who watch now."""
        await self.wait_until_synced()

        async def are_counted() -> bool:
            return any(
                record["name"] == self.server and record["aciveSubscribers"] == len(self.viewers)
                for record in await self.sessions()
            )

        await until(are_counted, f"the service has the viewers of {self.server}", every=0.5)

    async def without_agent(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        """Kill the agent, and start it after `meanwhile`."""
        began_ms = _now_ms()
        self.agent.kill()
        await meanwhile()
        self.agent.start()
        self.outages.append((began_ms, _now_ms()))

    async def come_and_go(self) -> None:
        """Let a viewer join and another leave, for long enough that this time is not live."""
        await self.join()
        await asyncio.sleep(2)
        await self.leave()
        await asyncio.sleep(3 * SYNC_INTERVAL_MS / 1000)

    async def end(self) -> Outcome:
        """Let two more viewers watch, and then everybody leave. Returns what the service has after that."""
        await self.join(2)
        await asyncio.sleep(2)
        await self.leave(len(self.viewers))
        assert self._publisher is not None
        await asyncio.to_thread(self._publisher.stop)
        await self.nginx.wait_for_clients(0)
        await self.wait_until_synced()
        await self.wait_until_synced()  # the page of the first reading may have been written earlier
        ended_ms = await self.watermark()
        began_ms = int(self.began.timestamp() * 1000)
        for network in self._networks:
            await network.close()
        coverage = await self.get("/api/v1/coverage", **{"from": began_ms, "to": ended_ms, "server": self.server})
        (record,) = [record for record in await self.sessions() if record["name"] == self.server]
        return Outcome(
            sum_log(self.nginx.access_log),
            await self.totals(),
            coverage["servers"][0]["spans"],
            record,
            began_ms,
            ended_ms,
            self.outages,
            *_filed(self.service.store, self.server),
            delay_ms=0,
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _filed(store: Path, server: str) -> tuple[tuple[int, int], int]:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        filed = connection.execute("SELECT min(slot), max(slot) FROM slots WHERE server = ?", (server,)).fetchone()
        (closed,) = connection.execute("SELECT count(*) FROM closed_days").fetchone()
    return filed, closed


class Scenarios:
    """All scenarios: each returns its outcome."""

    def __init__(self, programs: Programs, clip: Path) -> None:
        self.programs, self.clip = programs, clip
        self._delay_ms = 0
        self.service = ServiceProcess(programs.directory, programs, list(SCENARIOS))

    def clock(self, name: str, offset_s: int = 0) -> SteppedClock:
        clock = SteppedClock(self.programs.directory / f"{name}.clock")
        clock.set_ahead(offset_s)
        return clock

    def machine(self, name: str, clock: SteppedClock | None = None, *, nginx_is_remote: bool = False) -> Machine:
        return Machine(name, self.programs, self.clip, self.service, clock, nginx_is_remote=nginx_is_remote)

    async def run_all(self) -> dict[str, Outcome | str]:
        """Return the outcome of each scenario, or the text of its failure."""
        await self.service.start()
        delays = asyncio.create_task(self._measure_delays())
        outcomes = await asyncio.gather(*map(self._run, SCENARIOS))
        delays.cancel()
        return {
            name: found if isinstance(found, str) else replace(found, delay_ms=self._delay_ms)
            for name, found in zip(SCENARIOS, outcomes, strict=True)
        }

    async def _measure_delays(self) -> None:
        while True:
            due_s = time.monotonic() + 0.05
            await asyncio.sleep(0.05)
            self._delay_ms = max(self._delay_ms, int((time.monotonic() - due_s) * 1000))

    async def _run(self, name: str) -> Outcome | str:
        try:
            return await SCENARIOS[name](self, name)
        except Exception as error:
            return "".join(traceback.format_list(traceback.extract_tb(error.__traceback__))) + repr(error)

    async def slow_reply(self, name: str) -> Outcome:
        machine = self.machine(name)
        await machine.begin()
        await machine.until_counted()
        machine.service_network.delay_next_response(8)
        await until(lambda: machine.service_network.late_responses == 1, "the reply arrives 8 s late")
        await machine.join(4)
        await machine.until_counted()
        await machine.leave(3)
        return await machine.end()

    async def machine_ahead(self, name: str) -> Outcome:
        machine = self.machine(name, self.clock(name, 10))
        await machine.begin()
        await machine.until_counted()
        await machine.without_agent(machine.come_and_go)
        return await machine.end()

    async def boots_ahead(self, name: str) -> Outcome:
        clock = self.clock(name, 400 * DAY_S)
        machine = self.machine(name, clock)
        machine.agent.interpreter = another_boot()
        await machine.begin()
        await machine.until_counted()
        await machine.join(2)
        await clock.step_to(0)
        await machine.leave(2)
        await machine.without_agent(machine.come_and_go)
        return await machine.end()

    async def boots_ahead_alone(self, name: str) -> Outcome:
        """The service is unreachable until the clock is corrected."""
        clock = self.clock(name, 400 * DAY_S)
        machine = self.machine(name, clock)
        machine.agent.interpreter = another_boot()
        machine.service_network.is_cut = True
        await machine.begin()
        await asyncio.sleep(4)
        await machine.join(2)
        await machine.leave()
        await clock.step_to(0)
        machine.service_network.is_cut = False
        await machine.until_counted()
        return await machine.end()

    async def step_while_down(self, name: str) -> Outcome:
        clock = self.clock(name)
        machine = self.machine(name, clock)
        await machine.begin()
        await machine.until_counted()

        async def step() -> None:
            await machine.join()
            await clock.step_to(3 * 3600)
            await machine.come_and_go()

        await machine.without_agent(step)
        await machine.until_counted()
        return await machine.end()

    async def lost_journal_behind(self, name: str) -> Outcome:
        return await self._lose_journal(name, -300)

    async def lost_journal_in_1970(self, name: str) -> Outcome:
        return await self._lose_journal(name, offset_to_1970_s())

    async def _lose_journal(self, name: str, offset_s: int) -> Outcome:
        machine = self.machine(name, self.clock(name, offset_s))
        await machine.begin()
        await machine.until_counted()

        async def lose() -> None:
            for file in machine.agent.journal.parent.glob(f"{machine.agent.journal.name}*"):
                file.unlink()
            await machine.come_and_go()

        await machine.without_agent(lose)
        await machine.until_counted()
        return await machine.end()

    async def reboot_from_1970(self, name: str) -> Outcome:
        """nginx is on another host, whose clock is right, and continues."""
        clock = self.clock(name, offset_to_1970_s())
        machine = self.machine(name, clock, nginx_is_remote=True)
        machine.agent.interpreter = another_boot(3_600)
        await machine.begin()
        await machine.until_counted()
        machine.agent.interpreter = another_boot(2)

        async def reboot() -> None:
            await clock.step_to(0)
            await machine.come_and_go()

        await machine.without_agent(reboot)
        await machine.until_counted()
        return await machine.end()

    async def late_page(self, name: str) -> Outcome:
        """Each page of some seconds is 4 s late, on its way to nginx or back, and the agent is killed meanwhile."""
        machine = self.machine(name)
        await machine.begin()
        await machine.until_counted()
        machine.page_network.response_delay_s = 4
        await machine.join(2)
        await asyncio.sleep(5)
        machine.page_network.request_delay_s, machine.page_network.response_delay_s = 4, 0
        await machine.without_agent(machine.come_and_go)
        await machine.join()
        await asyncio.sleep(5)
        await machine.leave(2)
        await machine.without_agent(machine.come_and_go)
        machine.page_network.request_delay_s = 0
        return await machine.end()

    async def service_ahead(self, name: str) -> Outcome:
        """The service's machine is a year ahead for 20 s; the service is restarted meanwhile."""
        directory = self.programs.directory / "wrong-service"
        directory.mkdir()
        clock = SteppedClock(directory / "clock")
        self.service, right = (
            ServiceProcess(
                directory,
                self.programs,
                [name],
                environment=clock.environment,
                options=("--close-settle", "0s", "--daily-statistics-days", "30"),
            ),
            self.service,
        )
        machine = self.machine(name)
        service, self.service = self.service, right
        await service.start()
        await machine.begin()
        await machine.until_counted()
        await clock.step_to(365 * DAY_S)
        ends_at = time.monotonic() + 20
        await until(lambda: self._doubts(machine), "the service doubts its clock", every=0.2)
        await machine.join(2)
        await machine.until_counted()
        service.kill()
        await machine.leave(2)
        await service.start()
        await machine.until_counted()
        await self._check_that_nothing_is_signed(machine, directory)
        await asyncio.sleep(max(0, ends_at - time.monotonic()))
        await clock.step_to(0)

        async def is_trusted() -> bool:
            return not await self._doubts(machine)

        await until(is_trusted, "the service trusts its clock", every=0.2)
        await machine.without_agent(machine.come_and_go)
        await machine.until_counted()
        return await machine.end()

    @staticmethod
    async def _doubts(machine: Machine) -> bool:
        return bool((await machine.get("/readyz"))["clock"] == "doubtful")

    @staticmethod
    async def _check_that_nothing_is_signed(machine: Machine, directory: Path) -> None:
        streamtop = Program(directory)
        today = time.strftime("%Y-%m-%d", time.gmtime())
        for flag in ("export", "--final-only"):
            arguments = ["--url", machine.service.url, "--from", today, "--to", today, "--tz", "UTC"]
            ended = await streamtop("daily", flag, *arguments, STREAMTOP_TOKEN=machine.service.admin_token)
            assert ended.code == 4, f"daily {flag} ended with {ended.code}: {ended.err}"
            assert "doubts its clock" in ended.err


SCENARIOS: dict[str, Callable[[Scenarios, str], Awaitable[Outcome]]] = {
    "slow-reply": Scenarios.slow_reply,
    "machine-ahead": Scenarios.machine_ahead,
    "boots-ahead": Scenarios.boots_ahead,
    "boots-ahead-alone": Scenarios.boots_ahead_alone,
    "step-while-down": Scenarios.step_while_down,
    "lost-journal-behind": Scenarios.lost_journal_behind,
    "lost-journal-1970": Scenarios.lost_journal_in_1970,
    "reboot-from-1970": Scenarios.reboot_from_1970,
    "late-page": Scenarios.late_page,
    "service-ahead": Scenarios.service_ahead,
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Iterator[dict[str, Outcome | str]]:
    with Programs(tmp_path_factory.mktemp("clocks")) as programs:
        yield asyncio.run(Scenarios(programs, clip).run_all())
    remove_left_behind()


@pytest.fixture(params=list(SCENARIOS))
def outcome(request: pytest.FixtureRequest, outcomes: dict[str, Outcome | str]) -> Outcome:
    found = outcomes[request.param]
    if isinstance(found, str):
        pytest.fail(found, pytrace=False)
    return found


def test_figures_equal_the_log(outcome: Outcome) -> None:
    sums, totals = outcome.sums, outcome.totals
    assert totals.connections == totals.rtmp == sums.plays
    assert (totals.bytes_in, totals.bytes_out) == (sums.bytes_in, sums.bytes_out)
    # The log rounds each visit down to whole seconds. A viewer on the page counts up to the end of the reading, which a
    # busy machine delays after the log was read.
    most_ms = (sums.view_seconds + sums.plays) * 1000 + sums.plays * outcome.delay_ms
    assert sums.view_seconds * 1000 <= totals.view_time_ms <= most_ms
    assert (outcome.record["live"], outcome.record["totalSubscribers"]) == (False, sums.plays)


def test_figures_are_filed_when_they_were_counted(outcome: Outcome) -> None:
    first, last = outcome.filed
    # Readings before the time of day is known are dated by whole minutes, rounded.
    assert outcome.began_ms - SLOT_MS <= first <= last <= outcome.ended_ms + SLOT_MS
    assert outcome.began_ms - SLACK_MS <= outcome.record["startTime"] <= outcome.ended_ms
    assert outcome.closed_days == 0, "no day that is over was in service"


def test_no_time_is_without_a_state_and_no_outage_is_hidden(outcome: Outcome) -> None:
    spans = outcome.spans
    assert [span["from"] for span in spans[1:]] == [span["to"] for span in spans[:-1]]
    assert spans[-1]["to"] == outcome.ended_ms
    assert {span["state"] for span in spans} <= {"live", "backfilled", "partial"}, spans
    for began_ms, ended_ms in outcome.outages:
        middle_ms = (began_ms + ended_ms) // 2
        during = [span["state"] for span in spans if span["from"] <= middle_ms < span["to"]]
        assert during in (["backfilled"], ["partial"]), spans
    assert all(span["from"] >= outcome.began_ms for span in spans)

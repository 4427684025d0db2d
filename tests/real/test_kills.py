"""Agent and service killed at random times, two hundred times, over a faulty network: no unit is lost or doubled."""

import asyncio
import os
from pathlib import Path
from random import Random

import pytest

from tests.support.real.estate import NginxEstate
from tests.support.real.faulty_network import FaultyNetwork
from tests.support.real.nginx import Nginx, sum_log
from tests.support.real.processes import Programs, RunningProgram
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

KILLS = int(os.environ.get("STREAMTOP_KILLS", "200"))
ESTATES = 2
SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "1"))


class KillSchedule:
    """Viewers come and go while the processes of one estate are killed."""

    def __init__(self, estate: NginxEstate, network: FaultyNetwork, seed: int) -> None:
        self.estate = estate
        self.network = network
        self.random = Random(seed)
        self.viewers: list[RunningProgram] = []
        self.publisher: RunningProgram | None = None

    async def run(self, kills: int) -> None:
        nginx = self.estate.nginx
        self.publisher = nginx.publish("s1")
        await nginx.wait_for_clients(1)
        audience = asyncio.create_task(self._audience())
        for _ in range(kills):
            await asyncio.sleep(self.random.uniform(0.05, 1.6))
            if self.random.random() < 0.5:
                self.estate.agent.kill()
                self.estate.agent.start()
            else:
                self.estate.service.kill()
                self.estate.service.spawn()
        audience.cancel()
        self.network.is_faultless = True
        for viewer in self.viewers:
            viewer.stop()
        self.publisher.stop()
        await nginx.wait_for_clients(0)
        await self.estate.service.wait_until_ready()
        # The back-off may be minutes by now; a restarted agent tries at once.
        self.estate.agent.kill()
        self.estate.agent.start()
        await self.estate.wait_until_synced()

    async def _audience(self) -> None:
        while True:
            if len(self.viewers) < 4 or (len(self.viewers) < 8 and self.random.random() < 0.5):
                self.viewers.append(self.estate.nginx.watch("s1"))
            else:
                await asyncio.to_thread(self.viewers.pop(self.random.randrange(len(self.viewers))).stop)
            await asyncio.sleep(self.random.uniform(0.2, 1.5))


async def run_with_kills(directory: Path, clip: Path, seed: int) -> dict[str, int]:
    with Programs(directory) as programs:
        nginx = Nginx(directory / "nginx", programs, clip)
        await nginx.start()
        estate = NginxEstate(directory, programs, nginx)
        network = FaultyNetwork(estate.service.port, seed)
        await network.start()
        estate.agent.set_service_url(f"http://127.0.0.1:{network.port}")
        await estate.start()
        await KillSchedule(estate, network, seed).run(KILLS // ESTATES)
        sums, totals = sum_log(nginx.access_log), await estate.totals()
        assert (totals.bytes_in, totals.bytes_out) == (sums.bytes_in, sums.bytes_out), f"seed {seed}: {network.faults}"
        assert totals.connections == sums.plays, f"seed {seed}: {network.faults}"
        # The log rounds each visit down to whole seconds.
        assert sums.view_seconds * 1000 <= totals.view_time_ms <= (sums.view_seconds + sums.plays) * 1000

        async def is_backfilled() -> bool:
            return {gap["state"] for gap in await estate.gaps()} <= {"backfilled"}

        # On a busy machine the agent may be overdue again at this moment; its next sync ends that.
        await wait_until(is_backfilled, "every gap is backfilled", last_seen=lambda: f"seed {seed}")
        network.close()
        return network.faults


async def test_two_hundred_kills_lose_and_double_no_unit(tmp_path: Path, clip: Path) -> None:
    directories = [tmp_path / f"{number}" for number in range(ESTATES)]
    for directory in directories:
        (directory / "nginx").mkdir(parents=True)
    faults = await asyncio.gather(
        *(run_with_kills(directory, clip, SEED * 100 + n) for n, directory in enumerate(directories))
    )
    print(f"seed {SEED}: {KILLS} kills, network faults {faults}")

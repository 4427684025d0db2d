"""Agent and service killed at random moments, two hundred times, over a network that breaks: conserved to the unit."""

import asyncio
import os
from pathlib import Path
from random import Random

import pytest

from tests.support.real.chaos import Chaos
from tests.support.real.estate import Estate
from tests.support.real.nginx import Nginx, log_truth
from tests.support.real.processes import Program, Programs

pytestmark = pytest.mark.real

KILLS = int(os.environ.get("STREAMTOP_KILLS", "200"))
ESTATES = 2
SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "1"))


class Torment:
    """One estate: viewers come and go while its processes are killed."""

    def __init__(self, estate: Estate, chaos: Chaos, seed: int) -> None:
        self.estate = estate
        self.chaos = chaos
        self.random = Random(seed)
        self.viewers: list[Program] = []
        self.publisher: Program | None = None

    async def run(self, kills: int) -> None:
        nginx = self.estate.nginx
        self.publisher = nginx.publish("s1")
        await nginx.settled(1)
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
        self.chaos.calm = True
        for viewer in self.viewers:
            viewer.stop()
        self.publisher.stop()
        await nginx.settled(0)
        await self.estate.service.answers()
        # Its back-off may be minutes by now: a fresh start tries at once.
        self.estate.agent.kill()
        self.estate.agent.start()
        await self.estate.synced()

    async def _audience(self) -> None:
        while True:
            if len(self.viewers) < 4 or (len(self.viewers) < 8 and self.random.random() < 0.5):
                self.viewers.append(self.estate.nginx.watch("s1"))
            else:
                await asyncio.to_thread(self.viewers.pop(self.random.randrange(len(self.viewers))).stop)
            await asyncio.sleep(self.random.uniform(0.2, 1.5))


async def torment(directory: Path, clip: Path, seed: int) -> dict[str, int]:
    with Programs(directory) as programs:
        nginx = Nginx(directory / "nginx", programs, clip)
        await nginx.start()
        estate = Estate(directory, programs, nginx)
        chaos = Chaos(estate.service.port, seed)
        await chaos.start()
        estate.agent.speak_to(f"http://127.0.0.1:{chaos.port}")
        await estate.start()
        await Torment(estate, chaos, seed).run(KILLS // ESTATES)
        truth, totals = log_truth(nginx.access_log), await estate.totals()
        assert (totals.bytes_in, totals.bytes_out) == (truth.bytes_in, truth.bytes_out), f"seed {seed}: {chaos.faults}"
        assert totals.connections == truth.plays, f"seed {seed}: {chaos.faults}"
        # The log cuts each stay to whole seconds.
        assert truth.view_seconds * 1000 <= totals.view_time_ms <= (truth.view_seconds + truth.plays) * 1000
        assert {gap["state"] for gap in await estate.gaps()} <= {"backfilled"}
        chaos.close()
        return chaos.faults


async def test_two_hundred_kills_lose_and_double_nothing(tmp_path: Path, clip: Path) -> None:
    directories = [tmp_path / f"{number}" for number in range(ESTATES)]
    for directory in directories:
        (directory / "nginx").mkdir(parents=True)
    faults = await asyncio.gather(*(torment(each, clip, SEED * 100 + n) for n, each in enumerate(directories)))
    print(f"seed {SEED}: {KILLS} kills, network faults {faults}")

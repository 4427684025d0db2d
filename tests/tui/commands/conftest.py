"""Real services for tests of the commands: in this process, and in a process of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.streamusage.service.conftest import Estate, OwnedClock, an_estate
from tests.support.commands.service_process import ServiceProcess, run_service_process
from tests.support.program import Program
from tests.support.service.parties.reporting import ReportingAgent, a_session


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with an_estate(tmp_path, OwnedClock()) as estate:
        estate.clock.now += 10_000
        await ReportingAgent(estate, "origin-1", "origin", life="o.1").sync_up(a_session("o", active=1, total=2))
        await ReportingAgent(estate, "edge-1", "edge", life="e.1").sync_up(a_session("e", active=2, total=3))
        yield estate


@pytest.fixture
async def service(streamtop: Program) -> AsyncIterator[ServiceProcess]:
    async with run_service_process(streamtop) as service:
        yield service

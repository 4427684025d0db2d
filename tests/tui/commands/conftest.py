"""A real service in this process, for tests of the commands."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.streamusage.service.conftest import Estate, OwnedClock, an_estate
from tests.support.service.reporting import ReportingAgent, a_session


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with an_estate(tmp_path, OwnedClock()) as estate:
        estate.clock.now += 10_000
        await ReportingAgent(estate, "origin-1", "origin", life="o.1").sync_up(a_session("o", active=1, total=2))
        await ReportingAgent(estate, "edge-1", "edge", life="e.1").sync_up(a_session("e", active=2, total=3))
        yield estate

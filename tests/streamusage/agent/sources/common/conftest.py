"""Fixtures of the tests of callbacks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamusage.agent.sources.common.callbacks.spool import CallbackSpool
from streamusage.core.addresses import Address
from streamusage.core.clock import SystemClock
from tests.support.real.processes import free_port


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[CallbackSpool]:
    """A spool that does not listen yet."""
    opened = CallbackSpool(Address("127.0.0.1", free_port()), tmp_path / "agent.hooks", SystemClock())
    yield opened
    await opened.close()

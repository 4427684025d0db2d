"""Fixtures of the tests of the journal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent.counting_agent import CountingAgent


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[CountingAgent]:
    agent = CountingAgent(tmp_path)
    yield agent
    agent.journal.close()

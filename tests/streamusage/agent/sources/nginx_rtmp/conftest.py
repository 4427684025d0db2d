"""Fixtures of the tests of nginx-rtmp."""

from collections.abc import AsyncIterator

import pytest

from tests.support.agent.http_answers import Answers, answering


@pytest.fixture
async def server() -> AsyncIterator[Answers]:
    async with answering() as answers:
        yield answers

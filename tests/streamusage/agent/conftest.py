"""Fixtures for tests of the agent."""

import socket
from collections.abc import Iterator

import pytest


@pytest.fixture
def unused_tcp_port() -> Iterator[int]:
    """A loopback port on which nothing listens; it stays bound during the test, so that no other program gets it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]

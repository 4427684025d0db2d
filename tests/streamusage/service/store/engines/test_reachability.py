"""A database that is not reached is logged when it is lost, once a minute, and when it is back."""

import logging

import pytest
from sqlalchemy.exc import OperationalError

from streamusage.service.store.engines.reachability import (
    LOG_SECONDS,
    SETTLE_SECONDS,
    Reachability,
    describe_connection_error,
)

TWO_HOSTS = """connection failed: connection to server at "10.0.0.2", port 5433 failed: session is read-only
Multiple connection attempts failed. All failures were:
- host: 'db-1', port: '5432', hostaddr: '10.0.0.1': connection failed: connection to server at "10.0.0.1", port 5432 failed: Connection refused
\tIs the server running on that host and accepting TCP/IP connections?
- host: 'db-2', port: '5433', hostaddr: '10.0.0.2': connection failed: connection to server at "10.0.0.2", port 5433 failed: session is read-only
"""  # noqa: E501


class Watched:
    """A reachability whose time is set, and the lines that it logs."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.now = 0.0
        self._caplog = caplog
        self.of_store = Reachability("postgresql://db/usage", lambda error: "gone" in str(error), lambda: self.now)

    def fail(self, cause: str, *, breaks: bool = False) -> str:
        error = OperationalError("SELECT 1", None, Exception(cause), connection_invalidated=breaks)
        return self.of_store.note_failure("written", error)

    def lines(self) -> list[tuple[str, str]]:
        found = [(record.levelname, record.getMessage()) for record in self._caplog.records]
        self._caplog.clear()
        return found


@pytest.fixture
def watched(caplog: pytest.LogCaptureFixture) -> Watched:
    caplog.set_level(logging.WARNING)
    return Watched(caplog)


def test_loss_and_return_are_one_line_each(watched: Watched) -> None:
    assert watched.fail("gone\n\tfor now") == "gone for now"
    lost = "the store postgresql://db/usage is not reached: gone for now; agents keep their figures"
    assert watched.lines() == [("ERROR", lost)]
    for watched.now in (1.0, 2.0, LOG_SECONDS - 1):
        watched.fail("gone")
    assert watched.lines() == []
    watched.now = LOG_SECONDS
    watched.fail("gone")
    still = "the store postgresql://db/usage is not reached since 60 s: gone; agents keep their figures"
    assert watched.lines() == [("ERROR", still)]
    watched.now = 75.0
    for _ in range(2):
        watched.of_store.note_success("written")
    back = "the store postgresql://db/usage is reached again after 75 s; 5 reads and writes failed meanwhile"
    assert watched.lines() == [("WARNING", back)]


def test_store_is_back_when_reads_and_writes_are(watched: Watched) -> None:
    watched.fail("gone")
    watched.of_store.note_failure("read", OperationalError("SELECT 1", None, Exception("gone")))
    watched.now = 5.0
    watched.of_store.note_success("written")
    assert len(watched.lines()) == 1
    watched.of_store.note_success("read")
    assert [line for _, line in watched.lines()] == [
        "the store postgresql://db/usage is reached again after 5 s; 2 reads and writes failed meanwhile"
    ]


def test_last_connection_of_a_server_that_ends_is_no_return(watched: Watched) -> None:
    watched.fail("gone")
    watched.now = SETTLE_SECONDS / 2
    watched.of_store.note_success("written")
    watched.fail("gone")
    assert len(watched.lines()) == 1


def test_connection_that_breaks_is_a_loss_and_other_failures_are_none(watched: Watched) -> None:
    assert watched.fail("duplicate key") == ""
    assert watched.of_store.note_failure("read", ValueError("gone")) == ""
    assert watched.lines() == []
    assert watched.fail("terminated", breaks=True) == "terminated"


def test_causes_of_several_hosts_are_listed_in_one_line() -> None:
    assert describe_connection_error(TWO_HOSTS) == "db-1:5432: Connection refused; db-2:5433: session is read-only"

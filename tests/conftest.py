"""Fixtures of all tests, the check for required programs, and the lines at the end of a test run."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.detected_mutations import list_detected
from tests.support.needs import BY_MARKER, NOT_RUN, install_line, missing, need
from tests.support.program import Program

if TYPE_CHECKING:
    from tests.support.postgresql import Cluster

# Every run uses the same examples, and no example fails because the machine is slow.
settings.register_profile("streamtop", deadline=None, derandomize=True)
settings.load_profile("streamtop")


@pytest.fixture
def streamtop(tmp_path: Path) -> Program:
    """The command line of a new user, with an empty home directory."""
    home = tmp_path / "home"
    home.mkdir()
    return Program(home)


@pytest.fixture(scope="session")
def postgresql() -> "Iterator[Cluster]":
    """A PostgreSQL server. Mark each test that uses it with `postgresql`."""
    from tests.support.postgresql import cluster

    os.environ["PGPASSWORD"] = "db-s3cret"
    with cluster() as running:
        yield running


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, programs in BY_MARKER.items():
        if item.get_closest_marker(marker):
            need(*programs)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    detected = list_detected(terminalreporter.getreports("passed"))
    if detected:
        terminalreporter.section(f"{len(detected)} rules of the protocol were broken on purpose; each was detected")
        for line in detected:
            terminalreporter.line(line)
    not_run = [report for report in terminalreporter.getreports("skipped") if NOT_RUN in str(report.longrepr)]
    if not_run:
        lacking = missing(*(program for programs in BY_MARKER.values() for program in programs))
        terminalreporter.section("incomplete test run", red=True, bold=True)
        terminalreporter.line(
            f"{len(not_run)} tests did not run; missing programs: {', '.join(lacking)}. To install them:"
        )
        terminalreporter.line(f"  {install_line(lacking)}")

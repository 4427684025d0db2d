"""Fixtures of all tests, the check for required programs, and the lines at the end of a test run."""

import gc
import os
import sys
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


LONGEST_FILES = (
    *("faults/clocks/test_mutations.py", "tui/app/robustness/test_many_polls.py", "tui/screens/test_pictures.py"),
    *("streamusage/service/store/test_interleavings.py", "streamusage/service/store/test_concurrent_writers.py"),
    *("streamusage/service/accounting/test_day_statistics.py", "streamusage/service/http/test_openapi.py"),
    *("tui/app/test_actions.py", "faults/clocks/test_clocks.py", "faults/clocks/test_clocks_2.py"),
    *(
        "faults/clocks/test_clocks_3.py",
        "faults/clocks/test_clocks_4.py",
        "real/test_kills.py",
        "tui/demo/test_screenshots.py",
        "tui/demo/test_recording.py",
        "tui/recording/page/test_browser.py",
    ),
    *(
        "tui/app/robustness/test_open_handles.py",
        "tui/app/robustness/test_memory_growth.py",
        "tui/display/test_driver.py",
    ),
    *("tui/keyboard/test_random_keys.py", "tui/keyboard/test_held_keys.py", "real/test_clocks.py"),
    *("tui/files/test_booted_systemd.py", "quickstart/test_pages.py", "quickstart/test_readme.py"),
    *("streamusage/service/hostile/test_hostile_corpus.py", "tui/app/test_keys_without_effect.py"),
    *("tui/display/test_console.py", "tui/demo/test_command.py", "tui/test_real_terminal.py"),
)
"""Files whose tests take longest. They begin first: a parallel run that began them last would wait for one of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    rank = {tests / name: number for number, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_collection_finish() -> None:
    # A tenth of the tests' time would be collections, most of which walk over the modules of all tests.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 10)


@pytest.fixture(scope="session", autouse=True)
def _repeated_migrations() -> Iterator[None]:
    """Create the tables of stores by the SQL of the first one, if any collected test opens stores."""
    if "streamusage.service.store.store" not in sys.modules:
        yield
        return
    from tests.support.service.migrating.repeated import repeating_migrations

    with repeating_migrations():
        yield


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


class FailuresAtOnce:
    """Prints the name of each test that fails when it fails: a run that is ended early has no summary."""

    def __init__(self, terminalreporter: pytest.TerminalReporter) -> None:
        self._terminal = terminalreporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write(f"\nFAILED {report.nodeid} ({report.when}, {report.duration:.0f} s)\n", red=True)


@pytest.hookimpl(trylast=True)  # after the terminal's reporter is there
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and os.environ.get("CI"):
        config.pluginmanager.register(FailuresAtOnce(terminal))


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

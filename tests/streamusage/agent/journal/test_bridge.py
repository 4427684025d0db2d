"""Bridge of a new journal: what passed between the state of the service and the first reading."""

from pathlib import Path

import pytest

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.metering import meter
from streamusage.agent.reading import Reading
from streamusage.api.report import Based, EpochIssued
from tests.support.agent.readings import T0, line, reading, viewer


def counted_view_time(directory: Path, *readings: Reading, has_predecessor: bool = True) -> int:
    """Return the view time of the first report of a journal with these readings. Its predecessor, if it has one, ended
    100 s before the first one.
    """
    journal = SqliteJournal(directory / "journal.db", synchronous="off")
    ledger = Ledger(journal, "journal-2", "edge-1", "edge", 10_000)
    for taken in readings:
        ledger.record(taken)
    before = meter.start(reading(-100_000))[0].baseline if has_predecessor else None
    ledger.continue_from(EpochIssued(epoch=2, based_on=Based(1, 9), now=T0, life="journal-1.1", baseline=before), ())
    report = ledger.report(T0, "online")
    journal.close()
    assert report is not None
    return sum(slot.view_time_ms for slot in report.slots)


def test_later_page_corrects_the_view_time_before_the_first_reading(tmp_path: Path) -> None:
    """The first page was answered three seconds late, the third one at once."""
    pages = [reading(at, age_slack_ms=3_000, viewers=(viewer(1, age_ms),)) for at, age_ms in PAGES]
    assert counted_view_time(tmp_path, *pages) == 83_000


def test_log_line_corrects_the_view_time_before_the_first_reading(tmp_path: Path) -> None:
    first = reading(0, age_slack_ms=3_000, viewers=(viewer(1, 60_000),))
    left = reading(20_000, ended=(line(1, 15_000, 78_000, granularity_ms=0),))
    assert counted_view_time(tmp_path, first, left) == 78_000


@pytest.mark.parametrize("boots", [1, 2])
def test_correction_counts_once_where_the_machine_reboots(tmp_path: Path, boots: int) -> None:
    """After each reboot the first page is late again."""
    pages = [
        reading(
            at, age_slack_ms=3_000, viewers=(viewer(1, age_ms),), uptime_ms=1_000_000 + age_ms,
            run=f"run {boot}", elapsed_ms=1_000_000 * (boot + 1) + at,
        )
        for boot in range(boots + 1)
        for at, age_ms in ((at + boot * 60_000, age_ms + boot * 60_000) for at, age_ms in PAGES)
    ]  # fmt: skip
    assert counted_view_time(tmp_path, *pages) == 83_000 + boots * 60_000


def test_view_time_before_accounting_is_not_counted(tmp_path: Path) -> None:
    pages = [reading(at, age_slack_ms=3_000, viewers=(viewer(1, age_ms),)) for at, age_ms in PAGES]
    assert counted_view_time(tmp_path, *pages, has_predecessor=False) == 20_000


PAGES = ((0, 60_000), (10_000, 71_000), (20_000, 83_000))
"""Times of pages, and the age of a viewer on them."""

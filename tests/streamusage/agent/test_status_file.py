"""The status file beside a journal."""

import json
import os
import re
import subprocess
import time
from pathlib import Path
from random import Random

import pytest

from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.status_file import StatusFile
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.core.clock import SystemClock
from tests.support.agent.agent_command import ledger_with_viewers, run_agent_command, write_config, write_status


@pytest.mark.parametrize("ahead_ms", [-3_600_000, 3_600_000])
def test_agent_with_a_corrected_clock_is_shown_as_running(tmp_path: Path, ahead_ms: int) -> None:
    """The service's time corrects the clock of the agent, not that of the machine."""
    journal = SqliteJournal(tmp_path / "journal.db")
    ledger, schedule = ledger_with_viewers(journal), SyncSchedule("edge-1", 10_000, 0, Random(1))
    file = StatusFile("edge-1", tmp_path / "journal.db")
    now_ms = time.time_ns() // 1_000_000
    file.write(ledger, schedule, "", 0, now_ms, 0)
    file.write(ledger, schedule, "away", 0, now_ms + ahead_ms, 1_999)
    assert file.last is not None
    assert file.last.source_error == ""
    file.write(ledger, schedule, "away", 0, now_ms + ahead_ms, 2_000)
    journal.close()
    assert file.last.source_error == "away"
    (result,) = json.loads(
        run_agent_command("status", "--config", str(write_config(tmp_path)), "--format", "json").stdout
    )
    assert (result["running"], result["source_error"]) == (True, "away")


def edit_status(directory: Path, **fields: object) -> None:
    """Change fields of a status file, and the time at which it was written."""
    path = directory / "journal.db.status"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    stale_at = time.time() - 31
    os.utime(path, (stale_at, stale_at))


def show_status(directory: Path) -> subprocess.CompletedProcess[str]:
    return run_agent_command("status", "--config", str(write_config(directory)))


def write_healthy_status(directory: Path, file: StatusFile) -> None:
    journal = SqliteJournal(directory / "journal.db")
    ledger = ledger_with_viewers(journal)
    file.write(ledger, SyncSchedule("edge-1", 10_000, 0, Random(1)), "", 0, time.time_ns() // 1_000_000, 0)
    journal.close()
    # However slow the machine is, the status is current when it is shown.
    edit_status(directory, elapsed_ms=SystemClock().elapsed_ms() + 60_000)


def shown_seconds(text: str, pattern: str) -> int:
    """Return the number of seconds in a text."""
    match = re.search(pattern, text)
    assert match is not None, text
    return int(match[1])


def test_old_status_of_a_running_process_is_not_shown_as_its_state(tmp_path: Path) -> None:
    write_healthy_status(tmp_path, StatusFile("edge-1", tmp_path / "journal.db"))
    assert show_status(tmp_path).returncode == 0
    edit_status(tmp_path, elapsed_ms=SystemClock().elapsed_ms() - 26_000)
    result = show_status(tmp_path)
    assert shown_seconds(result.stdout, r"^edge-1  no status for (\d+)s\n") >= 26
    assert shown_seconds(result.stdout, rf"\(process {os.getpid()}\) runs, but wrote its last status (\d+)s ago") >= 26
    assert result.returncode == 1


@pytest.mark.parametrize("process", ["", "other-boot/1"], ids=["unidentified process", "process of another boot"])
def test_stale_status_is_shown_as_not_running(tmp_path: Path, process: str) -> None:
    write_status(tmp_path)
    edit_status(tmp_path, process=process)
    assert "not running" in show_status(tmp_path).stdout


def test_journal_that_cannot_be_written_is_shown_although_the_service_is_up_to_date(tmp_path: Path) -> None:
    file = StatusFile("edge-1", tmp_path / "journal.db")
    since_ms = time.time_ns() // 1_000_000 - 26_000
    file.record_journal_error("journal.db: cannot write the journal (database or disk is full)", since_ms)
    file.record_journal_error("journal.db: cannot write the journal (database or disk is full)", since_ms + 10_000)
    write_healthy_status(tmp_path, file)
    result = show_status(tmp_path)
    assert result.stdout.startswith("edge-1  cannot write its journal\n")
    assert shown_seconds(result.stdout, r"disk is full\); since [^;]* UTC \((\d+)s\)") >= 26
    assert "the media server's counters continue" in result.stdout
    assert result.returncode == 1
    (tmp_path / "journal.db").unlink()
    file.record_journal_written()
    write_healthy_status(tmp_path, file)
    assert show_status(tmp_path).returncode == 0


def test_unwritable_status_leaves_no_file_behind(tmp_path: Path) -> None:
    (tmp_path / "journal.db.status").mkdir()
    write_status(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    write_status(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before

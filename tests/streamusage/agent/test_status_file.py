"""The status file beside a journal."""

import json
import os
import time
from pathlib import Path
from random import Random

import pytest

from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.status_file import StatusFile
from streamusage.agent.sync.schedule import SyncSchedule
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


def test_stale_status_is_shown_as_not_running(tmp_path: Path) -> None:
    write_status(tmp_path)
    stale_at = time.time() - 31
    os.utime(tmp_path / "journal.db.status", (stale_at, stale_at))
    assert "not running" in run_agent_command("status", "--config", str(write_config(tmp_path))).stdout


def test_unwritable_status_leaves_no_file_behind(tmp_path: Path) -> None:
    (tmp_path / "journal.db.status").mkdir()
    write_status(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    write_status(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before

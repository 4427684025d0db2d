"""A log as sources use it: errors for operators, a missing log is detected after a minute."""

from pathlib import Path

import pytest

from streamusage.agent.reading import LogGoneError, SourceError
from streamusage.agent.sources.common.logs.reader import MISSING_AFTER_MS, LogReader
from tests.support.agent.manual_clock import HandClock


async def test_log_that_stays_missing_is_not_relied_on_until_it_is_recreated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log, clock = tmp_path / "access.log", HandClock(1_000)
    log.write_bytes(b"a line\n")
    reader = LogReader(log, clock)
    position = await reader.end_position()
    log.unlink()
    await reader.read_lines(position)
    assert reader.is_reliable
    clock.now += MISSING_AFTER_MS
    await reader.read_lines(position)
    assert [reader.is_reliable for _ in range(2)] == [False, False]
    assert caplog.text.count("log_missing") == 1
    log.write_bytes(b"a new line\n")
    await reader.read_lines(position)
    assert reader.is_reliable


async def test_missing_log_is_a_source_error_with_a_remedy(tmp_path: Path) -> None:
    reader = LogReader(tmp_path / "access.log", HandClock(0), "access_log", "enable the log")
    with pytest.raises(SourceError, match="not found; enable the log, or remove `access_log`"):
        await reader.end_position()


async def test_lines_between_unknown_positions_are_gone(tmp_path: Path) -> None:
    with pytest.raises(LogGoneError):
        await LogReader(tmp_path / "access.log", HandClock(0)).lines_between(None, None)


async def test_unreadable_lines_are_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reader = LogReader(tmp_path / "access.log", HandClock(0))
    for line_count in (0, 2, 3):
        reader.warn_unreadable(line_count, "a format")
    assert caplog.text.count("log_lines_unreadable") == 1
    assert "lines=2" in caplog.text

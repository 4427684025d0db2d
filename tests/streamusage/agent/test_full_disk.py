"""A running agent whose journal's disk is full: its status says so, and it continues when space is free."""

import asyncio
import resource
import sys
from pathlib import Path

import pytest

from streamusage.agent.status_file import Status, read_status
from tests.support.agent.agent_command import SECRET, run_agent_command, write_config
from tests.support.real.processes import Programs, until
from tests.support.small_disk import mounted_disk

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts and limits of Linux")


async def test_status_of_an_agent_on_a_full_disk_is_true(tmp_path: Path) -> None:
    (tmp_path / "hls.log").write_text("")
    config, journal = tmp_path / "agent.toml", tmp_path / "disk" / "journal.db"
    config.write_text(
        'server = "edge-1"\n[service]\nurl = "http://127.0.0.1:1"\ntoken_env = "AGENT_TOKEN"\n'
        f'[source]\nkind = "hls"\naccess_log = "{tmp_path / "hls.log"}"\npoll_interval = "100ms"\n'
        f'[journal]\npath = "{journal}"\n'
    )
    with mounted_disk(tmp_path / "disk", 2) as disk, Programs(tmp_path) as programs:
        programs.start(
            "agent", [sys.executable, "-m", "streamusage.agent", "--config", str(config)], {"AGENT_TOKEN": SECRET}
        )

        def status() -> Status:
            found = read_status(journal)
            assert found is not None
            return found

        def last_reading_at() -> int:
            return status().last_reading_at or 0

        await until(lambda: read_status(journal) is not None and last_reading_at() > 0, "a reading")
        assert status().journal_error == ""
        disk.fill()
        await until(lambda: bool(status().journal_error), "the status shows the full disk")
        result = await asyncio.to_thread(run_agent_command, "status", "--config", str(config))
        assert result.stdout.startswith("edge-1  cannot write its journal\n")
        assert "disk is full" in result.stdout
        assert "nothing is lost, the media server's counters continue" in result.stdout
        assert result.returncode == 1
        stopped_at, full_at = last_reading_at(), status().elapsed_ms
        await until(lambda: status().elapsed_ms > full_at + 4_000, "the status is written on the full disk")
        assert last_reading_at() < stopped_at + 1_000, "the last reading in the journal"

        disk.free()
        await until(lambda: not status().journal_error, "readings are written again")
        await until(lambda: last_reading_at() > stopped_at + 1_000, "the next reading is in the journal")


async def test_status_that_cannot_be_written_at_all_is_shown_as_old(tmp_path: Path) -> None:
    """As on a full file system that copies on write. A limit on the length of files fails every write."""
    config, journal = write_config(tmp_path), tmp_path / "journal.db"
    with Programs(tmp_path) as programs:
        agent = programs.start(
            "agent", [sys.executable, "-m", "streamusage.agent", "--config", str(config)], {"AGENT_TOKEN": SECRET}
        )
        await until(lambda: read_status(journal) is not None, "the first status")
        resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

        async def show() -> str:
            return (await asyncio.to_thread(run_agent_command, "status", "--config", str(config))).stdout

        async def is_old() -> bool:
            return (await show()).startswith("edge-1  no status for ")

        await until(is_old, "the status is shown as old", every=1.0)
        assert f"the agent (process {agent.pid}) runs, but wrote its last status " in await show()
        resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        async def is_current() -> bool:
            return not await is_old()

        await until(is_current, "the status is written again")
        assert agent.running

"""Agents of several servers in one process."""

import asyncio
import sys
import time
from pathlib import Path

from streamusage.agent.status_file import read_status
from streamusage.core.clock import SystemClock
from tests.support.agent.agent_command import SECRET
from tests.support.agent.http_answers import answer, answering
from tests.support.manager_socket import manager_socket
from tests.support.real.processes import Programs, until


async def test_corrected_token_file_is_used_before_the_next_attempt_is_due(tmp_path: Path) -> None:
    (tmp_path / "hls.log").write_text("")
    token, path, journal = tmp_path / "token", tmp_path / "agent.toml", tmp_path / "journal.db"
    token.write_text("wrong")
    async with answering() as service:
        service.next = [answer(b"{}", "401 Unauthorized")]
        path.write_text(
            f'server = "edge-1"\n[service]\nurl = "{service.url}"\ntoken_file = "{token}"\nsync_interval = "200ms"\n'
            f'[source]\nkind = "hls"\naccess_log = "{tmp_path / "hls.log"}"\n[journal]\npath = "{journal}"\n'
        )
        with Programs(tmp_path) as programs:
            programs.start("agent", [sys.executable, "-m", "streamusage.agent", "--config", str(path)])

            def seconds_to_attempt() -> float:
                status = read_status(journal)
                due_ms = 0 if status is None else status.elapsed_ms + status.next_attempt_in_ms
                return (due_ms - SystemClock().elapsed_ms()) / 1000

            await until(lambda: seconds_to_attempt() > 2.5, "the next attempt is not due soon")
            due_at = time.monotonic() + seconds_to_attempt()
            replacement = tmp_path / "token.new"
            replacement.write_text("right")
            replacement.replace(token)
            await until(lambda: b"Bearer right" in service.requests[-1], "the new token is used")
            assert time.monotonic() < due_at


async def test_unusable_journal_of_one_server_does_not_end_the_agent_of_another(tmp_path: Path) -> None:
    (tmp_path / "no_directory").write_text("")
    (tmp_path / "hls.log").write_text("")
    path = tmp_path / "agent.toml"
    path.write_text(
        '[service]\nurl = "http://127.0.0.1:1"\ntoken_env = "AGENT_TOKEN"\n'
        + "".join(
            f'[[source]]\nserver = "{name}"\nkind = "hls"\naccess_log = "{tmp_path / "hls.log"}"\n'
            f'journal = "{tmp_path / journal}"\n'
            for name, journal in (("edge-1", "no_directory/journal.db"), ("edge-2", "journal.db"))
        )
    )
    with Programs(tmp_path) as programs, manager_socket(tmp_path) as manager:
        agent = programs.start(
            "agent",
            [sys.executable, "-m", "streamusage.agent", "--config", str(path)],
            {"AGENT_TOKEN": SECRET, **manager.environment},
        )

        def is_read() -> bool:
            status = read_status(tmp_path / "journal.db")
            return status is not None and status.last_reading_at is not None

        await until(is_read, "edge-2 is read")
        await until(lambda: "edge-1 is no longer watched" in agent.output(), "the failure of edge-1 is logged")
        assert agent.running
        ready = await asyncio.to_thread(manager.receive_until, "READY")
        assert ready["STATUS"].startswith("edge-1 no longer watched, edge-2 ")
        assert await asyncio.to_thread(agent.stop) == 3, "the failure sets the exit code"
    assert SECRET not in agent.output()
    assert "Traceback" not in agent.output()


async def test_journal_that_is_removed_is_noticed_and_opened_again(tmp_path: Path) -> None:
    (tmp_path / "hls.log").write_text("")
    path, journal = tmp_path / "agent.toml", tmp_path / "journal.db"
    path.write_text(
        '[service]\nurl = "http://127.0.0.1:1"\ntoken_env = "AGENT_TOKEN"\n'
        f'[[source]]\nserver = "edge-1"\nkind = "hls"\naccess_log = "{tmp_path / "hls.log"}"\npoll_interval = "1s"\n'
        f'journal = "{journal}"\n'
    )
    with Programs(tmp_path) as programs:
        agent = programs.start(
            "agent", [sys.executable, "-m", "streamusage.agent", "--config", str(path)], {"AGENT_TOKEN": SECRET}
        )

        def last_reading_at() -> int:
            status = read_status(journal)
            return (status.last_reading_at or 0) if status is not None else 0

        await until(lambda: last_reading_at() > 0, "edge-1 is read")
        journal.rename(tmp_path / "moved.db")
        await until(lambda: "moved or removed" in agent.output(), "the agent notices it")
        noticed_at = last_reading_at()
        await until(lambda: last_reading_at() > noticed_at, "edge-1 is read again")
        assert journal.exists()
        assert await asyncio.to_thread(agent.stop) == 0
    assert "Traceback" not in agent.output()


async def test_service_manager_is_notified_of_start_work_and_end(tmp_path: Path) -> None:
    (tmp_path / "hls.log").write_text("")
    path = tmp_path / "agent.toml"
    path.write_text(
        '[service]\nurl = "http://127.0.0.1:1"\ntoken_env = "AGENT_TOKEN"\n'
        + "".join(
            f'[[source]]\nserver = "{name}"\nkind = "hls"\naccess_log = "{tmp_path / "hls.log"}"\n'
            f'journal = "{tmp_path / name}.db"\n'
            for name in ("edge-1", "edge-2")
        )
    )
    with Programs(tmp_path) as programs, manager_socket(tmp_path, watchdog_seconds=1) as manager:
        agent = programs.start(
            "agent",
            [sys.executable, "-m", "streamusage.agent", "--config", str(path)],
            {"AGENT_TOKEN": SECRET, **manager.environment},
        )
        ready = await asyncio.to_thread(manager.receive)
        assert ready == {"READY": "1", "STATUS": "edge-1 starting, edge-2 starting"}
        assert (tmp_path / "edge-1.db").exists()
        assert (tmp_path / "edge-2.db").exists()
        status = "starting"
        while "starting" in status:
            status = (await asyncio.to_thread(manager.receive_until, "STATUS"))["STATUS"]
        assert status.startswith("edge-1 ")
        await asyncio.to_thread(manager.receive_until, "WATCHDOG")
        assert await asyncio.to_thread(agent.stop) == 0
        await asyncio.to_thread(manager.receive_until, "STOPPING")

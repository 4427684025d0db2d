"""`streamtop agent`, `status`, `check` and `/metrics` as a person or a monitoring system sees them."""

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import httpx
import pytest

from streamusage.agent.config.files import load_agent_configs
from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import JournalError, SqliteJournal
from streamusage.agent.log_output import OneLineFormatter
from streamusage.agent.metrics import format_metrics, serve_metrics
from streamusage.agent.status_file import StatusFile, read_status
from streamusage.agent.supervisor import run_agent
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.core.clock import SteadyClock, SystemClock
from tests.faults.media_server import MediaServer
from tests.support.real.processes import Programs, free_port, until

SECRET = "s3cret-token-of-the-agent"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streamusage.agent", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"AGENT_TOKEN": SECRET},
        check=False,
    )


def config(directory: Path, service_port: int = 1) -> Path:
    path = directory / "agent.toml"
    path.write_text(
        f'server = "edge-1"\n[service]\nurl = "http://127.0.0.1:{service_port}"\ntoken_env = "AGENT_TOKEN"\n'
        f'[source]\nkind = "nginx-rtmp"\nstat_url = "http://127.0.0.1:1/stat"\n'
        f'[journal]\npath = "{directory / "journal.db"}"\n'
    )
    return path


def a_ledger(journal: SqliteJournal) -> Ledger:
    """A ledger with some audience that nobody was told of."""
    server = MediaServer(Random(1), now := time.time_ns() // 1_000_000 - 3_600_000)
    ledger = Ledger(journal, "journal-1", "edge-1", "edge", 10_000)
    for step in range(30):
        now += 60_000
        server.connect(now, "play" if step else "publish", "stage-1")
        server.move_bytes(now)
        ledger.record(server.read(now, ledger.cursor))
    return ledger


def write_status(directory: Path) -> StatusFile:
    journal = SqliteJournal(directory / "journal.db")
    ledger = a_ledger(journal)
    schedule = SyncSchedule("edge-1", 10_000, 0, Random(1))
    schedule.record_failure(0, "http://127.0.0.1:1 cannot be reached")
    file = StatusFile("edge-1", directory / "journal.db")
    file.write(ledger, schedule, "", -120, time.time_ns() // 1_000_000, 0)
    journal.close()
    return file


async def test_a_source_that_cannot_be_watched_stops_no_other(tmp_path: Path) -> None:
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
    with Programs(tmp_path) as programs:
        agent = programs.start(
            "agent", [sys.executable, "-m", "streamusage.agent", "--config", str(path)], {"AGENT_TOKEN": SECRET}
        )

        def is_read() -> bool:
            status = read_status(tmp_path / "journal.db")
            return status is not None and status.last_reading_at is not None

        await until(is_read, "edge-2 is read", seconds=30)
        await until(lambda: "edge-1 is no longer watched" in agent.output(), "edge-1 is said to be given up")
        assert agent.running
        assert await asyncio.to_thread(agent.stop, seconds=30) == 3, "the failure is the exit code's, once all is over"
    assert SECRET not in agent.output()
    assert "Traceback" not in agent.output()


def test_status_tells_what_is_owed(tmp_path: Path) -> None:
    write_status(tmp_path)
    status = read_status(tmp_path / "journal.db")
    assert status is not None
    assert status.owed.connections == 29
    assert status.owed.bytes_out > 0
    assert status.owed.oldest_minute is not None
    told = run("status", "--config", str(config(tmp_path)))
    assert "29 connections" in told.stdout
    assert "cannot be reached (1 consecutive failure)" in told.stdout
    assert "-120 ms relative to the service" in told.stdout
    assert told.returncode == 1, "it is retrying"
    (as_json,) = json.loads(run("status", "--config", str(config(tmp_path)), "--format", "json").stdout)
    assert (as_json["server"], as_json["phase"], as_json["running"]) == ("edge-1", "retrying", True)
    assert as_json["owed"]["connections"] == 29


def test_status_of_an_agent_that_is_gone(tmp_path: Path) -> None:
    write_status(tmp_path)
    path = tmp_path / "journal.db.status"
    path.write_text(path.read_text().replace(f'"pid":{os.getpid()}', '"pid":999999999'))
    told = run("status", "--config", str(config(tmp_path)))
    assert "not running" in told.stdout
    assert told.returncode == 1


@pytest.mark.parametrize("ahead_ms", [-3_600_000, 3_600_000])
def test_an_agent_whose_clock_is_not_the_machines_runs_all_the_same(tmp_path: Path, ahead_ms: int) -> None:
    """The service's time corrects the agent's, not the machine's."""
    journal = SqliteJournal(tmp_path / "journal.db")
    ledger, schedule = a_ledger(journal), SyncSchedule("edge-1", 10_000, 0, Random(1))
    file = StatusFile("edge-1", tmp_path / "journal.db")
    now_ms = time.time_ns() // 1_000_000
    file.write(ledger, schedule, "", 0, now_ms, 0)
    file.write(ledger, schedule, "away", 0, now_ms + ahead_ms, 1_999)
    assert file.last is not None
    assert file.last.source_error == ""
    file.write(ledger, schedule, "away", 0, now_ms + ahead_ms, 2_000)
    journal.close()
    assert file.last.source_error == "away"
    (told,) = json.loads(run("status", "--config", str(config(tmp_path)), "--format", "json").stdout)
    assert (told["running"], told["source_error"]) == (True, "away")


def test_a_status_that_was_not_written_lately_is_of_an_agent_that_hangs(tmp_path: Path) -> None:
    write_status(tmp_path)
    lately = time.time() - 31
    os.utime(tmp_path / "journal.db.status", (lately, lately))
    assert "not running" in run("status", "--config", str(config(tmp_path))).stdout


def test_a_status_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "journal.db.status").mkdir()
    write_status(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    write_status(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_status_without_any_agent(tmp_path: Path) -> None:
    told = run("status", "--config", str(config(tmp_path)))
    assert told.returncode == 5
    assert "no agent status found" in told.stderr


def test_check_says_what_works_and_what_does_not(tmp_path: Path) -> None:
    told = run("check", "--config", str(config(tmp_path)))
    assert told.returncode == 1
    assert "FAILED  media server: " in told.stdout
    assert "ok      journal: " in told.stdout
    assert "FAILED  service: " in told.stdout
    assert SECRET not in told.stdout + told.stderr
    assert not (tmp_path / "journal.db").exists(), "a check makes nothing"


def test_a_check_of_a_journal_leaves_it_as_it_is(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "journal.db").close()
    assert "ok      journal: " in run("check", "--config", str(config(tmp_path))).stdout
    journal = SqliteJournal(tmp_path / "journal.db")
    with journal.transaction() as tx:
        assert tx.head() is None, "an agent that begins with it gives it a name of its own"
    journal.close()


def test_a_check_beside_a_running_agent_leaves_its_listener_alone(tmp_path: Path) -> None:
    write_status(tmp_path)
    path = config(tmp_path)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        where = f"127.0.0.1:{listener.getsockname()[1]}"
        path.write_text(path.read_text().replace("[journal]", f'notify_listen = "{where}"\n[journal]'))
        told = run("check", "--config", str(path))
    assert f"ok      media server: read by the running agent (process {os.getpid()}), last at " in told.stdout
    assert f"is in use by the running agent (process {os.getpid()})" in told.stdout
    assert not list(tmp_path.glob("*hooks*"))


@pytest.mark.parametrize("arguments", [("--config", "/nowhere/agent.toml"), ()])
def test_a_wrong_configuration_is_wrong_use(arguments: tuple[str, ...]) -> None:
    told = run(*arguments)
    assert told.returncode == 2
    assert "config" in told.stderr.lower() or "no such file" in told.stderr


async def test_metrics_are_answered_in_prometheus_format(tmp_path: Path) -> None:
    file = await asyncio.to_thread(write_status, tmp_path)
    port = free_port()
    async with serve_metrics([file], ("127.0.0.1", port)), httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://127.0.0.1:{port}/metrics")
        assert 'streamtop_agent_owed_connections{server="edge-1"} 29\n' in answer.text
        assert 'streamtop_agent_online{server="edge-1"} 0\n' in answer.text
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert (await http.get(f"http://127.0.0.1:{port}/other")).status_code == 404
    assert format_metrics([]).count("# TYPE") == format_metrics([]).count("# HELP") > 5


async def test_metrics_tell_nothing_of_a_server_that_is_not_watched_any_more(tmp_path: Path) -> None:
    file = write_status(tmp_path)
    (tmp_path / "journal.db").unlink()
    (tmp_path / "journal.db").mkdir()
    (unit,) = load_agent_configs(config(tmp_path))
    port = free_port()
    async with serve_metrics([file], ("127.0.0.1", port)), httpx.AsyncClient(trust_env=False) as http:
        assert "edge-1" in (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        with pytest.raises(JournalError):
            await run_agent(unit, SteadyClock(SystemClock()), asyncio.Event(), file)
        assert "edge-1" not in (await http.get(f"http://127.0.0.1:{port}/metrics")).text


@pytest.mark.parametrize("shape", ["text", "kv", "json"])
def test_an_event_is_one_line_whatever_is_in_it(shape: str) -> None:
    record = logging.LogRecord("a", logging.WARNING, "", 0, "stream %s\nis \x1b[2J gone", ("[red]x\r\n",), None)
    line = OneLineFormatter(shape).format(record)  # type: ignore[arg-type]
    assert line.isprintable()
    if shape == "json":
        assert json.loads(line)["message"] == "stream [red]x\r\n\nis \x1b[2J gone"

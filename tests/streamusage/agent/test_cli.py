"""The commands `streamtop agent`, `agent status` and `agent check`."""

import json
import os
import socket
from pathlib import Path

import pytest

from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.status_file import read_status
from tests.support.agent.agent_command import SECRET, run_agent_command, write_config, write_status


def test_status_shows_unacknowledged_figures(tmp_path: Path) -> None:
    write_status(tmp_path)
    status = read_status(tmp_path / "journal.db")
    assert status is not None
    assert status.owed.connections == 29
    assert status.owed.bytes_out > 0
    assert status.owed.oldest_minute is not None
    result = run_agent_command("status", "--config", str(write_config(tmp_path)))
    assert "29 connections" in result.stdout
    assert "cannot be reached (1 consecutive failure)" in result.stdout
    assert "-120 ms relative to the service" in result.stdout
    assert result.returncode == 1, "it is retrying"
    (as_json,) = json.loads(
        run_agent_command("status", "--config", str(write_config(tmp_path)), "--format", "json").stdout
    )
    assert (as_json["server"], as_json["phase"], as_json["running"]) == ("edge-1", "retrying", True)
    assert as_json["owed"]["connections"] == 29


def test_status_of_a_dead_agent_is_not_running(tmp_path: Path) -> None:
    write_status(tmp_path)
    path = tmp_path / "journal.db.status"
    path.write_text(path.read_text().replace(f'"pid":{os.getpid()}', '"pid":999999999'))
    result = run_agent_command("status", "--config", str(write_config(tmp_path)))
    assert "not running" in result.stdout
    assert result.returncode == 1


def test_status_without_an_agent_exits_with_not_found(tmp_path: Path) -> None:
    result = run_agent_command("status", "--config", str(write_config(tmp_path)))
    assert result.returncode == 5
    assert "no agent status found" in result.stderr


def test_check_reports_each_part_that_works_or_fails(tmp_path: Path) -> None:
    result = run_agent_command("check", "--config", str(write_config(tmp_path)))
    assert result.returncode == 1
    assert "FAILED  media server: " in result.stdout
    assert "ok      journal: " in result.stdout
    assert "FAILED  service: " in result.stdout
    assert SECRET not in result.stdout + result.stderr
    assert not (tmp_path / "journal.db").exists(), "check creates nothing"


def test_check_names_files_that_other_users_can_read(tmp_path: Path) -> None:
    path, token, journal = write_config(tmp_path), tmp_path / "token", tmp_path / "journal.db"
    path.write_text(path.read_text().replace('token_env = "AGENT_TOKEN"', f'token_file = "{token}"'))
    token.write_text(SECRET)
    SqliteJournal(journal).close()
    token.chmod(0o644)
    journal.chmod(0o640)
    result = run_agent_command("check", "--config", str(path))
    assert f"WARNING other users of this machine can read {token}" in result.stdout
    assert f"chmod 600 {journal}" in result.stdout
    token.chmod(0o600)
    journal.chmod(0o600)
    assert "WARNING" not in run_agent_command("check", "--config", str(path)).stdout


def test_check_does_not_change_the_journal(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "journal.db").close()
    assert "ok      journal: " in run_agent_command("check", "--config", str(write_config(tmp_path))).stdout
    journal = SqliteJournal(tmp_path / "journal.db")
    with journal.transaction() as tx:
        assert tx.head() is None, "the first agent names the journal"
    journal.close()


def test_check_beside_a_running_agent_does_not_use_its_port(tmp_path: Path) -> None:
    write_status(tmp_path)
    path = write_config(tmp_path)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        path.write_text(path.read_text().replace("[journal]", f'notify_listen = "{address}"\n[journal]'))
        result = run_agent_command("check", "--config", str(path))
    assert f"ok      media server: read by the running agent (process {os.getpid()}), last at " in result.stdout
    assert f"is in use by the running agent (process {os.getpid()})" in result.stdout
    assert not list(tmp_path.glob("*hooks*"))


@pytest.mark.parametrize("arguments", [("--config", "/nowhere/agent.toml"), ()])
def test_wrong_configuration_exits_with_2(arguments: tuple[str, ...]) -> None:
    result = run_agent_command(*arguments)
    assert result.returncode == 2
    assert "config" in result.stderr.lower() or "no such file" in result.stderr

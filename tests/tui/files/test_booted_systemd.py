"""The units under a real systemd: installed by the commands of the documentation, with nginx-rtmp beside the agent."""

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import REPOSITORY
from tests.support.real.nginx import MODULES, sum_log
from tests.support.real.systemd_machine import SystemdMachine, systemd_machine
from tests.support.waiting import wait_until_blocking

pytestmark = [pytest.mark.systemd, pytest.mark.real]

SERVICE, AGENT = "streamtop.service", "streamtop-agent.service"
CLIENT = "--url http://127.0.0.1:5080 --token-file /etc/streamtop/admin.token"
LOG = "/var/log/nginx/rtmp_access.log"

SUDO = """#!/bin/sh
[ "$1" != -u ] || exec runuser -u "$2" -- $(shift 2; echo "$@")
exec "$@"
"""
"""The machine may have none."""

EDITOR = """#!/bin/sh
sed -i "$(cat /root/edit)" "$1"
"""


def commands_of(page: str) -> list[str]:
    """Return the blocks of commands in the section about systemd of a page, as printed."""
    section = re.split(r"^## ", (REPOSITORY / "docs" / page).read_text(), flags=re.MULTILINE)
    (about,) = (text for text in section if text.startswith("systemd\n"))
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", about, re.DOTALL)
    return blocks


INSTALL, SERVICE_STEPS, DATABASE_STEPS = commands_of("operating.md")
TOKEN_STEPS, AGENT_STEPS, AGENT_STATUS = commands_of("agent.md")


def nginx_configuration() -> str:
    """Return the configuration of nginx that docs/operating.md prints, with the module."""
    (printed,) = re.findall(r"```nginx\n(.*?)```", (REPOSITORY / "docs" / "operating.md").read_text(), re.DOTALL)[:1]
    module = next(path for path in MODULES if path.exists())
    return f"load_module {module};\nevents {{}}\n{printed}"


def on_terminal(machine: SystemdMachine, commands: str, edit: str = "") -> str:
    """Run commands in a terminal of the machine, with an editor that runs an expression of sed."""
    machine.write("/root/edit", edit)
    machine.write("/root/commands", f"set -euo pipefail\n{commands}")
    return machine.run(
        "cd /root; SYSTEMD_PAGER=cat SYSTEMD_EDITOR=/root/editor script -qec 'bash /root/commands' /dev/null"
    )


@pytest.fixture(scope="module")
def printed() -> list[str]:
    """The output of the commands of the documentation."""
    return []


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, printed: list[str]) -> Iterator[SystemdMachine]:
    """A machine on which service and agent were installed by the commands of the documentation."""
    files = {
        "/usr/local/bin/sudo": SUDO,
        "/root/editor": EDITOR,
        "/etc/nginx/nginx.conf": nginx_configuration(),
    }
    with systemd_machine(tmp_path_factory.mktemp("systemd"), files) as booted:
        assert "/opt/streamtop" in INSTALL
        printed.append(on_terminal(booted, SERVICE_STEPS, "s,--account-zone UTC,--account-zone Europe/Berlin,"))
        booted.run(f"install -o www-data -g adm -m 640 /dev/null {LOG}; systemctl start nginx")
        printed.append(booted.run(f"cd /root\n{TOKEN_STEPS}\n{AGENT_STEPS}"))
        yield booted


@pytest.fixture(autouse=True)
def _starts_are_not_limited(machine: SystemdMachine) -> None:
    """Forget earlier starts: systemd refuses the sixth within ten seconds, and tests restart the units often."""
    machine.run(f"systemctl reset-failed {SERVICE} {AGENT}")


def command(machine: SystemdMachine, text: str) -> Any:
    return json.loads(machine.run(f"/opt/streamtop/bin/streamtop {text} --format json {CLIENT}"))


def process_of(machine: SystemdMachine, unit: str) -> str:
    return machine.properties(unit, "MainPID")["MainPID"]


def status_lines(machine: SystemdMachine, unit: str) -> dict[str, str]:
    """Return the lines of a process's status in /proc."""
    lines = machine.run(f"cat /proc/{process_of(machine, unit)}/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_service_starts_by_the_printed_commands(machine: SystemdMachine, printed: list[str]) -> None:
    assert "the service can start; nothing was changed" in printed[0]
    assert "Active: active (running)" in printed[0]
    assert "--account-zone Europe/Berlin" in machine.run(f"systemctl cat {SERVICE}")
    assert machine.run(f"systemctl is-enabled {SERVICE} {AGENT}").split() == ["enabled", "enabled"]
    status = machine.properties(SERVICE, "StatusText")["StatusText"]
    assert status == "listening at http://127.0.0.1:5080, store sqlite:////var/lib/streamtop/usage.db"
    assert "WARNING" not in machine.journal(SERVICE)


def test_agent_reports_by_the_printed_commands(machine: SystemdMachine, printed: list[str]) -> None:
    assert "session ends are exact" in printed[1]
    assert "Active: active (running)" in printed[1]
    wait_until_blocking(
        lambda: [(server["server"], server["state"]) for server in command(machine, "servers")] == [("edge-1", "live")],
        "the agent's server is live",
        last_seen=lambda: machine.journal(AGENT),
    )
    assert machine.properties(AGENT, "StatusText")["StatusText"] == "edge-1 online"
    assert "edge-1  online" in machine.run(AGENT_STATUS)


def test_service_is_active_only_when_it_answers(machine: SystemdMachine) -> None:
    machine.run(f"""
        systemctl stop {SERVICE}
        systemctl start --no-block {SERVICE}
        until [[ $(systemctl is-active {SERVICE}) == active ]]; do :; done
        curl -sSf http://127.0.0.1:5080/readyz""")


@pytest.mark.parametrize("unit", [SERVICE, AGENT])
def test_process_has_no_privilege(machine: SystemdMachine, unit: str) -> None:
    status = status_lines(machine, unit)
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert 0 not in {int(user) for user in status["Uid"].split()}


@pytest.mark.parametrize("unit", [SERVICE, AGENT])
def test_only_its_owner_can_enter_the_state_directory(machine: SystemdMachine, unit: str) -> None:
    folder = f"/var/lib/private/{unit.removesuffix('.service')}"
    user = status_lines(machine, unit)["Uid"].split()[0]
    found = machine.run(f"stat --format '%a %u' {folder}; find {folder} -type f -printf '%m %U\\n' | sort -u")
    assert found.splitlines() == [f"700 {user}", f"600 {user}"]


def test_agent_reads_a_log_of_another_group(machine: SystemdMachine) -> None:
    assert machine.run(f"stat --format '%a %U %G' {LOG}") == "640 www-data adm"
    checked = machine.run("/opt/streamtop/bin/streamtop agent check --config /etc/streamtop/agent.toml")
    assert "FAILED" not in checked
    (status,) = json.loads(
        machine.run("/opt/streamtop/bin/streamtop agent status --config /etc/streamtop/agent.toml --format json")
    )
    assert (status["source_error"], status["journal"]) == ("", "/var/lib/streamtop-agent/edge-1.journal.db")


def test_reload_reads_the_copy_of_the_tokens_and_a_restart_the_file(machine: SystemdMachine) -> None:
    machine.run("""
        /opt/streamtop/bin/streamtop token new --role viewer --tokens /etc/streamtop/tokens.toml \
            --token-file /root/viewer.token
        systemctl reload streamtop""")
    assert "reloaded 2 tokens; systemd copied the tokens file at the start" in machine.journal(SERVICE)
    as_viewer = CLIENT.replace("/etc/streamtop/admin.token", "/root/viewer.token")
    refused = machine.attempt(f"/opt/streamtop/bin/streamtop servers {as_viewer}")
    assert refused.returncode != 0, refused.stdout
    machine.run(f"systemctl restart streamtop; /opt/streamtop/bin/streamtop servers {as_viewer}")


def test_stop_is_clean(machine: SystemdMachine) -> None:
    status = {
        SERVICE: "stopped; everything it accepted is stored",
        AGENT: "stopped; figures that the service does not have are in the journal",
    }
    for unit, text in status.items():
        machine.run(f"systemctl stop {unit}")
        stopped = machine.properties(unit, "Result", "ExecMainStatus", "ActiveState", "StatusText")
        assert stopped == {
            "Result": "success",
            "ExecMainStatus": "0",
            "ActiveState": "inactive",
            "StatusText": text,
        }
    machine.run(f"systemctl start {SERVICE} {AGENT}")


def test_store_that_root_restored_is_the_services(machine: SystemdMachine) -> None:
    store = "--store sqlite:////var/lib/streamtop/usage.db"
    machine.run(f"""
        /opt/streamtop/bin/streamtop store backup /root/copy.db {store}
        systemctl stop streamtop
        /opt/streamtop/bin/streamtop store restore --replace /root/copy.db {store}
        systemctl start streamtop""")
    wait_until_blocking(lambda: command(machine, "servers"), "the agent reports again")


def test_wrong_configuration_ends_without_restarts_and_is_named(machine: SystemdMachine) -> None:
    reasons = {SERVICE: "tokens.toml is not valid TOML", AGENT: "agent.toml: not valid TOML"}
    machine.run("cp -a /etc/streamtop /root/right; for file in /etc/streamtop/*.toml; do echo = >> $file; done")
    try:
        assert machine.attempt(f"systemctl restart {SERVICE} {AGENT}").returncode != 0
        for unit, reason in reasons.items():
            failed = machine.properties(unit, "ActiveState", "SubState", "ExecMainStatus", "NRestarts")
            assert failed == {"ActiveState": "failed", "SubState": "failed", "ExecMainStatus": "2", "NRestarts": "0"}
            assert reason in machine.properties(unit, "StatusText")["StatusText"]
            assert reason in machine.attempt(f"journalctl --sync; systemctl status --no-pager {unit}").stdout
    finally:
        machine.run(f"cp -a /root/right/. /etc/streamtop; systemctl restart {SERVICE} {AGENT}")


def test_process_that_hangs_is_ended_by_the_watchdog_and_started_again(machine: SystemdMachine) -> None:
    for unit in (SERVICE, AGENT):
        machine.write(f"/run/systemd/system/{unit}.d/watchdog.conf", "[Service]\nWatchdogSec=5\n")
    try:
        machine.run(f"systemctl daemon-reload; systemctl restart {SERVICE} {AGENT}")
        hung = {unit: process_of(machine, unit) for unit in (SERVICE, AGENT)}
        machine.run(f"kill -STOP {' '.join(hung.values())}")

        def is_restarted(unit: str) -> bool:
            now = machine.properties(unit, "ActiveState", "NRestarts", "MainPID")
            return now["ActiveState"] == "active" and now["NRestarts"] != "0" and now["MainPID"] != hung[unit]

        for unit in (SERVICE, AGENT):
            wait_until_blocking(
                functools.partial(is_restarted, unit),
                f"{unit} was started again",
                last_seen=functools.partial(machine.journal, unit),
            )
            journal = machine.journal(unit)
            assert "Failed with result 'watchdog'" in journal
            assert re.search(r"Fatal Python error: Aborted.*File \"/opt/streamtop/", journal, re.DOTALL)
    finally:
        machine.run(f"rm -r /run/systemd/system/*.d; systemctl daemon-reload; systemctl restart {SERVICE} {AGENT}")


def start_viewer(machine: SystemdMachine, name: str) -> None:
    machine.run(f"systemd-run --quiet --unit={name} rtmpdump --live -q -r rtmp://127.0.0.1/live/one -o /dev/null")


def count_subscribers(machine: SystemdMachine) -> int:
    """Return the subscribers of all sessions since the machine was booted."""
    return sum(session["totalSubscribers"] for session in command(machine, "ls"))


def test_restarts_lose_and_double_no_unit(machine: SystemdMachine, tmp_path: Path) -> None:
    machine.run("""
        sed -i 's/^url = .*/&\\nsync_interval = "1s"/' /etc/streamtop/agent.toml
        systemctl restart streamtop-agent
        ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc=size=160x120:rate=5 -t 10 -c:v libx264 \
            -preset ultrafast -pix_fmt yuv420p -g 5 -b:v 60k -f flv /root/clip.flv
        systemd-run --quiet --unit=publisher ffmpeg -nostdin -loglevel error -re -stream_loop -1 -i /root/clip.flv \
            -c copy -f flv rtmp://127.0.0.1/live/one""")
    wait_until_blocking(lambda: command(machine, "ls"), "the stream is shown")
    for number, restart in enumerate(("restart", "kill --kill-whom=main --signal=KILL", "restart")):
        start_viewer(machine, f"viewer-{number}")
        wait_until_blocking(lambda seen=number + 1: count_subscribers(machine) == seen, "each viewer is counted once")
        before = process_of(machine, AGENT)
        machine.run(f"systemctl {restart} {AGENT}; systemctl stop viewer-{number}")
        wait_until_blocking(
            lambda before=before: process_of(machine, AGENT) not in {"0", before}, "the agent was started again"
        )
    machine.run("systemctl stop publisher; systemctl restart streamtop")
    (tmp_path / "rtmp.log").write_text(machine.run(f"cat {LOG}") + "\n")
    sums = sum_log(tmp_path / "rtmp.log")
    assert sums.plays == 3

    def figures() -> list[int]:
        days = command(machine, "daily")
        return [sum(day[name] for day in days) for name in ("connections", "bytes_in", "bytes_out")]

    wait_until_blocking(
        lambda: figures() == [3, sums.bytes_in, sums.bytes_out],
        f"the figures are those of the log: {sums}",
        last_seen=lambda: command(machine, "daily"),
    )


@pytest.mark.postgresql
def test_database_is_reached_by_its_socket_without_a_password(machine: SystemdMachine) -> None:
    machine.run("""
        programs=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
        install -d -o postgres /run/postgresql /srv/database
        cd /srv/database
        runuser -u postgres -- "$programs/initdb" -D /srv/database --auth-local=peer --auth-host=reject > /dev/null
        runuser -u postgres -- "$programs/pg_ctl" -D /srv/database -w -l /srv/database/log \
            -o "-k /run/postgresql -h ''" start > /dev/null""")
    on_terminal(machine, DATABASE_STEPS, "s,--store [^ ]*,--store postgresql:///usage?host=/run/postgresql,")
    status = machine.properties(SERVICE, "StatusText", "ActiveState")
    assert status == {
        "ActiveState": "active",
        "StatusText": "listening at http://127.0.0.1:5080, store postgresql:///run/postgresql/usage",
    }
    wait_until_blocking(
        lambda: command(machine, "servers"), "the agent reports", last_seen=lambda: machine.journal(AGENT)
    )

"""The systemd units, as systemd itself reads them, and against the programs that they start."""

import re
import subprocess
from pathlib import Path

import click
import pytest

from streamusage.core.exit_codes import ExitCode
from tests.support.program import REPOSITORY
from tests.support.waiting import LONGEST_WAIT_S
from tui.cli import streamtop

FOLDER = REPOSITORY / "tui" / "files" / "systemd"
UNITS = ("streamtop.service", "streamtop-agent.service")
PROGRAM = "/opt/streamtop/bin/streamtop"
MOST_EXPOSED = {"streamtop.service": 1.5, "streamtop-agent.service": 2.0}
"""Bounds of systemd's own measure, from 0 (closed) to 10. The agent sees nginx's processes and reads its logs."""


def settings(unit: str) -> dict[str, list[str]]:
    """Return the values of a unit by key."""
    text = (FOLDER / unit).read_text().replace("\\\n", "")
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units with a program that exists: everything else is as they are shipped."""
    program = tmp_path / "streamtop"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit in UNITS:
        (tmp_path / unit).write_text((FOLDER / unit).read_text().replace(PROGRAM, str(program)))
    return tmp_path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=LONGEST_WAIT_S, check=False
    )


@pytest.mark.systemd
def test_systemd_accepts_the_units_without_a_warning(installed: Path) -> None:
    verified = analyze("verify", "--man=no", "--generators=no", *(installed / unit for unit in UNITS))
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


@pytest.mark.systemd
def test_check_notices_a_wrong_unit(installed: Path) -> None:
    unit = installed / "streamtop.service"
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=strictly\nProtectEverything=yes"))
    verified = analyze("verify", "--man=no", "--generators=no", unit)
    assert "ProtectEverything" in verified.stderr
    assert "strictly" in verified.stderr


@pytest.mark.systemd
@pytest.mark.parametrize("unit", UNITS)
def test_exposure_is_bounded(installed: Path, unit: str) -> None:
    most = round(MOST_EXPOSED[unit] * 10)
    found = analyze("security", "--offline=true", "--no-pager", f"--threshold={most}", installed / unit)
    assert found.returncode == 0, found.stdout[-300:] + found.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_units_notify_and_have_a_watchdog_and_a_state_directory(unit: str) -> None:
    found = settings(unit)
    assert found["Type"] == ["notify"]
    assert found["WatchdogSec"] == ["3min"]
    assert found["StateDirectory"] == [unit.removesuffix(".service")]
    assert found["DynamicUser"] == ["yes"]


@pytest.mark.parametrize("unit", UNITS)
def test_commands_are_understood_and_every_credential_is_loaded(unit: str) -> None:
    found = settings(unit)
    (command,) = found["ExecStart"]
    program, name, *arguments = command.split()
    assert program == PROGRAM
    group = streamtop.get_command(click.Context(streamtop), name)
    assert group is not None
    context = group.make_context(name, list(arguments))
    assert context.params
    loaded = {value.partition(":")[0] for value in found["LoadCredential"]}
    assert set(re.findall(r"\$\{CREDENTIALS_DIRECTORY\}/(\S+)", command)) <= loaded


def test_exit_codes_that_need_an_operator_prevent_a_restart() -> None:
    codes = {unit: settings(unit)["RestartPreventExitStatus"][0].split() for unit in UNITS}
    usage, refused = str(int(ExitCode.USAGE)), str(int(ExitCode.REFUSED))
    assert codes == {"streamtop.service": [usage], "streamtop-agent.service": [usage, refused]}

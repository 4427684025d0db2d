"""The walls of the house: who may import whom, and what starts without the heavy libraries."""

import json
import subprocess
import sys

import pytest

from tests.support.program import REPOSITORY

SERVICE_SIDE = ["streamusage", "streamusage.agent", "streamusage.service", "streamusage.client"]
MAIN_MODULES = ["streamusage.agent.cli", "streamusage.service.cli"]


def imported_by(statements: str) -> set[str]:
    """The top-level packages that a fresh interpreter holds after the statements."""
    tell = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{statements}\n{tell}"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_import_contracts_hold() -> None:
    linter = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", linter], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("module", SERVICE_SIDE + MAIN_MODULES)
def test_what_the_console_watches_runs_without_textual(module: str) -> None:
    assert not {"textual", "tui", "plotext"} & imported_by(f"import {module}")


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(flag: str) -> None:
    imported = imported_by(f"from tui.cli import streamtop; streamtop.main(['{flag}'], standalone_mode=False)")
    assert not {"textual", "sqlalchemy", "httpx", "pydantic", "msgspec", "rich"} & imported


def test_a_client_command_imports_neither_console_nor_store() -> None:
    assert not {"textual", "sqlalchemy", "fastapi", "plotext"} & imported_by("import tui.commands.rm, tui.commands.ls")

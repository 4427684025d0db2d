"""Commands whose extra is not installed: they name it and end with 2, and their help is available."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.support.commands.without_extras import without_extras
from tests.support.program import Program

DAY = ("--from", "2026-11-18", "--to", "2026-11-18")


@pytest.fixture
def bare(streamtop: Program, tmp_path: Path) -> Program:
    """The program of `pip install streamtop`."""
    streamtop.environment["PYTHONPATH"] = without_extras(tmp_path / "bare")
    return streamtop


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("service", ["serve", "--limit", "report-rows=5", "--account-zone", "Europe/Berlin"]),
        ("service", ["store", "backup", "usage.db"]),
        ("agent", ["agent", "--config", "agent.toml"]),
        ("agent", ["agent", "check", "--config", "agent.toml"]),
        ("all", ["demo", "--headless"]),
        ("all", ["demo", "--record", "outage.tape"]),
        ("parquet", ["export", "usage", *DAY]),
        ("parquet", ["daily", "export", *DAY, "-o", "usage.parquet"]),
    ],
    ids=" ".join,
)
async def test_command_names_its_missing_extra(bare: Program, extra: str, arguments: list[str]) -> None:
    ended = await bare(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("streamtop: ")
    assert ended.err.endswith(f"-m pip install 'streamtop[{extra}]'\n")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["serve"], ["store", "backup"], ["agent", "check"]], ids=" ".join)
async def test_help_needs_no_extra(bare: Program, arguments: list[str]) -> None:
    ended = await bare(*arguments, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert "Usage: " in ended.out


async def test_postgresql_store_names_its_extra(streamtop: Program, tmp_path: Path) -> None:
    path = without_extras(tmp_path / "bare", ["postgres"])
    for arguments in (["serve"], ["store", "accept-time"]):
        ended = await streamtop(*arguments, "--store", "postgresql://user@host/usage", PYTHONPATH=path)
        assert ended.code == 2, ended
        assert "a PostgreSQL store needs the extra 'postgres'" in ended.err
        assert ended.err.endswith("-m pip install 'streamtop[postgres]'\n")


@pytest.mark.parametrize("module", ["streamusage.service", "streamusage.agent"])
async def test_module_that_is_run_as_a_program_names_its_extra(bare: Program, module: str, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *(["--config", "agent.toml"] if module.endswith("agent") else []),
        env=bare.environment, stderr=asyncio.subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    _, err = await process.communicate()
    assert process.returncode == 2
    assert f"'streamtop[{module.rpartition('.')[2]}]'" in err.decode()

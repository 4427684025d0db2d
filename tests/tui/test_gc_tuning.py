"""Nothing is collected while a program starts; afterwards collections are on again, in every program."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamusage.client.usage_client import UsageClient
from tests.support.console.pilot import console, wait_for
from tests.support.program import Program
from tui import gc_tuning


@pytest.fixture
def _collections_as_before() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.usefixtures("_collections_as_before")
def test_objects_of_the_pause_are_excluded_from_the_collections_after_it() -> None:
    gc_tuning.pause_collections()
    assert not gc.isenabled()
    gc_tuning.resume_collections()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_without_a_pause_a_resume_freezes_nothing() -> None:
    frozen = gc.get_freeze_count()
    gc_tuning.resume_collections()
    assert gc.get_freeze_count() == frozen


@pytest.mark.usefixtures("_collections_as_before")
async def test_console_collects_again_although_no_service_answers(tmp_path: Path) -> None:
    async with UsageClient("http://127.0.0.1:9", "token") as client:
        gc_tuning.pause_collections()
        async with console(client, tmp_path).run_test(size=(80, 24)) as pilot:
            await wait_for(pilot, gc.isenabled, "collections are on again")


@pytest.mark.parametrize("command", ["ls", "agent", "serve", "demo"])
def test_collections_are_on_again_when_a_command_is_imported(streamtop: Program, command: str) -> None:
    program = f"""
import gc
from tui import gc_tuning
gc_tuning.pause_collections()
import click, tui.cli
tui.cli.streamtop.get_command(click.Context(tui.cli.streamtop), {command!r})
print(gc.isenabled(), gc.get_freeze_count() > 0)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], env=streamtop.environment, capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == ["True", "True"]


def test_program_pauses_collections_before_it_imports_a_library(streamtop: Program) -> None:
    program = """
import gc, sys
from tui import __main__
gc.callbacks.append(lambda phase, info: print("collected"))
sys.argv = ["streamtop", "--version"]
try:
    __main__.main()
finally:
    print(gc.isenabled())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], env=streamtop.environment, capture_output=True, text=True, check=True
    )
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("streamtop ")
    assert lines[1:2] == ["False"]

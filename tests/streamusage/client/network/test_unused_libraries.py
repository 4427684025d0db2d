"""Libraries that httpcore does not import, although they are installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.program import REPOSITORY

MARK = "from streamusage.client.network.unused_libraries import UNUSED_LIBRARIES; UNUSED_LIBRARIES.add('trio'); "
OPEN = """
import asyncio
from streamusage.client.http_client import open_http_client
from streamusage.client.http_options import DEFAULT_OPTIONS
open_http_client(DEFAULT_OPTIONS)
import httpcore, sys
print("was imported" if "trio" in sys.modules else "was not")
import trio
print(trio.__name__)
"""


def output_of(program: str, modules: Path) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(modules)!r}); {program}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A folder with a module trio, which is therefore installed."""
    (tmp_path / "trio.py").write_text("")
    return tmp_path


def test_httpcore_imports_no_library_that_the_program_does_not_use(modules: Path) -> None:
    assert output_of(MARK + OPEN, modules) == "was not\ntrio\n"


def test_library_hides_nothing_from_the_program_that_imports_it(modules: Path) -> None:
    assert output_of(OPEN, modules) == "was imported\ntrio\n"


def test_library_that_is_imported_already_stays(modules: Path) -> None:
    assert output_of("import trio; " + MARK + OPEN, modules) == "was imported\ntrio\n"

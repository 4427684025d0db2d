"""What all tests share."""

from pathlib import Path

import pytest

from tests.program import Program


@pytest.fixture
def streamtop(tmp_path: Path) -> Program:
    """The command line of a user who has never used it."""
    home = tmp_path / "home"
    home.mkdir()
    return Program(home)

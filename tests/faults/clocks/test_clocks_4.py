"""The last part of the schedules of `test_clocks.py`."""

import pytest

from tests.faults.clocks.schedules import blocks, check_block


@pytest.mark.parametrize("first", blocks(3))
def test_no_clock_changes_what_is_counted(first: int) -> None:
    check_block(first)

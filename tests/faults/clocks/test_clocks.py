"""Clocks that may be wrong in any way change no figure: 20,000 histories in four files, this is the first.

Repeat one schedule with `python -m tests.faults.clocks.test_clocks SEED`. Choose other seeds with STREAMTOP_FIRST_SEED.
"""

import sys

import pytest

from tests.faults.clocks.schedules import RARE_SEEDS, blocks, check_block, run_and_check
from tests.faults.clocks.simulation import ClockedSimulation
from tests.faults.invariants import InvariantViolationError


@pytest.mark.parametrize("first", blocks(0))
def test_no_clock_changes_what_is_counted(first: int) -> None:
    check_block(first)


@pytest.mark.parametrize("seed", RARE_SEEDS)
def test_schedule_that_found_a_rare_fault(seed: int) -> None:
    run_and_check(ClockedSimulation(seed))


if __name__ == "__main__":
    try:
        run_and_check(ClockedSimulation(int(sys.argv[1])))
    except InvariantViolationError as violation:
        sys.exit(str(violation))
    print(f"seed {sys.argv[1]}: no violation")

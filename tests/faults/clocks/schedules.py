"""Schedules with wrong clocks, run in blocks and in parts, so that several processes share them.

Choose other seeds with STREAMTOP_FIRST_SEED, another number with STREAMTOP_SCHEDULES.
"""

import os
from collections import Counter

from tests.faults.clocks.simulation import ClockedSimulation
from tests.faults.invariants import InvariantViolationError, check_clocked

FIRST_SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "0"))
SCHEDULES = int(os.environ.get("STREAMTOP_SCHEDULES", "20000"))
BLOCK = 1000

LINES_OF_A_WRONG_BOOT = (1_008_664, 1_014_685, 202_633_500_548_586)
"""The machine's clock is set and set back while the agent does not run, and a log line of that time seems to be of an
earlier boot.
"""
VIEWERS_OPEN_FOR_EVER = (13_284, 15_398, 18_037)
"""A refusal names a later revision than the last acknowledgement that arrived, and viewers leave afterwards."""

LOST_JOURNALS = (
    *(202_633_500_000_707, 202_633_500_003_266, 202_633_500_012_350, 202_633_500_015_726),
    *(202_633_500_017_377, 202_633_500_031_832, 202_633_500_094_818),
    *(202_633_500_102_582, 202_633_500_108_070, 202_633_500_246_931),
)
"""A new journal continues over a long time in which the clocks of the machine were set or paused, or the service's was
wrong: lines are matched with the wrong viewers, or a mark of what is missing is lost.
"""

VIEWERS_OF_A_RESTART = (202_633_500_654_288,)
"""The machine's clock is set by less than a second, and the media server restarts: a line of the ended boot seems to be
of the present one.
"""

MACHINES_IN_1970 = (202_633_500_584_583,)
"""Two machines of three boot in 1970, and the service's clock is set to that time, too."""

SLOTS_DISCARDED = (202_633_500_809_229, 202_633_500_675_353)
"""The schedule is longer than the journal keeps acknowledged rows, and units of a discarded slot are counted."""

FIRST_PAGES = (202_633_500_821_154,)
"""The first page of a new journal is answered late, and so is each first one after a reboot of its machine."""

RARE_SEEDS = (
    *(*LINES_OF_A_WRONG_BOOT, *VIEWERS_OPEN_FOR_EVER, *LOST_JOURNALS, *VIEWERS_OF_A_RESTART),
    *(*MACHINES_IN_1970, *SLOTS_DISCARDED, *FIRST_PAGES),
)
"""Schedules that found faults which one in some thousand contains."""

PARTS = 4
"""Number of test files: pytest-xdist gives each file to one process."""

CLOCK_FAULTS = {
    "agent restarted",
    "coverage of the future refused",
    "machine booted far ahead",
    "machine booted in 1970",
    "machine rebooted",
    "machine suspended",
    "machine's clock drifts",
    "machine's clock set",
    "one reply with a wrong clock",
    "one wrong machine of fifty",
    "one wrong machine of three",
    "page answered late",
    "reply delayed",
    "service stopped for days",
    "service's clock doubtful",
    "service's clock in 1970",
    "service's clock set back",
    "service's clock years ahead",
    "service's machine rebooted",
    "time line corrected",
    "numbers of viewers only",
    "viewers ended by callbacks",
    "viewers ended by log lines",
    "viewers without log lines",
    "virtual machine paused",
}
"""Every block of schedules contains each of them."""


def blocks(part: int) -> range:
    """Return the first seeds of the blocks of a part, counted from 0."""
    return range(FIRST_SEED + part * BLOCK, FIRST_SEED + SCHEDULES, PARTS * BLOCK)


def check_block(first: int) -> None:
    """Run and check a block of schedules. Raises `AssertionError`."""
    happened: Counter[str] = Counter()
    for seed in range(first, first + BLOCK):
        simulation = ClockedSimulation(seed)
        run_and_check(simulation)
        happened.update(simulation.happened())
    assert happened.keys() >= CLOCK_FAULTS, f"faults that never happened: {CLOCK_FAULTS - happened.keys()}"


def run_and_check(simulation: ClockedSimulation) -> None:
    """Run a schedule and check it. Raises `AssertionError` with the seed."""
    try:
        simulation.run()
    except AssertionError as error:
        raise InvariantViolationError(f"seed {simulation.seed}: {error}") from None
    check_clocked(simulation)

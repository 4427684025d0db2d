"""Wrong clocks: in 5,000 schedules each unit counts once, all time has a state, and every broken rule is detected.

Repeat one schedule with `python -m tests.faults.test_clocks SEED`. Choose other seeds with STREAMTOP_FIRST_SEED.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from streamusage.service.errors import ContradictionError
from tests.faults.clock_mutations import CLOCK_MUTATIONS
from tests.faults.clocks import ClockedSimulation
from tests.faults.invariants import InvariantViolationError, check_clocked

FIRST_SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "0"))
SCHEDULES = int(os.environ.get("STREAMTOP_SCHEDULES", "5000"))
BLOCK = 1000

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
    "page answered late",
    "reply delayed",
    "service stopped for days",
    "service's clock doubtful",
    "service's clock in 1970",
    "service's clock set back",
    "service's clock years ahead",
    "service's machine rebooted",
    "time line corrected",
    "viewers without log lines",
    "virtual machine paused",
}


KNOWN_VIOLATIONS = {
    2452: "the service still has a viewer that left before a report of it was acknowledged",
    5434: "the mark of a restart lies inside the time that a new journal covers",
    5718: "the mark of a restart lies inside the time that a new journal covers",
    6041: "a viewer that leaves while the first page of a new journal is answered takes the log line of a later boot",
    7650: "bytes are missing without a mark",
}
"""Schedules that still violate an invariant, and why. Whoever mends one removes it here."""


def run_and_check(simulation: ClockedSimulation) -> None:
    """Run a schedule and check it. Raises `AssertionError` with the seed."""
    try:
        simulation.run()
    except AssertionError as error:
        raise InvariantViolationError(f"seed {simulation.seed}: {error}") from None
    check_clocked(simulation)


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + SCHEDULES, BLOCK))
def test_no_clock_changes_what_is_counted(first: int) -> None:
    happened: Counter[str] = Counter()
    for seed in range(first, first + BLOCK):
        simulation = ClockedSimulation(seed)
        if seed in KNOWN_VIOLATIONS:
            with pytest.raises(AssertionError):
                run_and_check(simulation)
            continue
        run_and_check(simulation)
        happened.update(simulation.happened())
    assert happened.keys() >= CLOCK_FAULTS, f"faults that never happened: {CLOCK_FAULTS - happened.keys()}"


@pytest.mark.parametrize("mutation", CLOCK_MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_broken_rule_of_time_is_detected(
    mutation: Callable[[int], ClockedSimulation], record_property: Callable[[str, object], None]
) -> None:
    for seed in range(3000):
        try:
            run_and_check(mutation(seed))
        except (AssertionError, ContradictionError, ValueError) as error:
            record_property("detected mutation", f"{mutation.__name__} at seed {seed}: {mutation.__doc__} {error}")
            return
    pytest.fail(f"{mutation.__name__} was not detected in 3,000 schedules")


if __name__ == "__main__":
    try:
        run_and_check(ClockedSimulation(int(sys.argv[1])))
    except InvariantViolationError as violation:
        sys.exit(str(violation))
    print(f"seed {sys.argv[1]}: no violation")

"""The protocol under faults: 20,000 histories violate no invariant, and every broken rule is detected.

Repeat one schedule with `python -m tests.faults.test_simulation SEED`. Choose other seeds with STREAMTOP_FIRST_SEED.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.invariants import InvariantViolationError, check, check_detected
from tests.faults.mutations import MUTATIONS
from tests.faults.simulator import Simulation

FIRST_SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "0"))
SCHEDULES = int(os.environ.get("STREAMTOP_SCHEDULES", "20000"))
BLOCK = 1000

FAULTS = {
    "crash before the journal's commit",
    "crash after the journal's commit",
    "crash of the agent between reading and journal",
    "crash of the agent before sending",
    "crash of the agent before the reply",
    "crash of the service before its commit",
    "crash of the service after its commit",
    "report accepted in parts",
    "crash of the service before a part's commit",
    "crash of the service after a part's commit",
    "request lost",
    "request delayed",
    "request repeated",
    "request repeated much later",
    "reply lost",
    "journal destroyed",
    "older journal continued",
    "older journal replaced",
    "service restored from an older copy",
    "media server crashed",
    "media server restarted in order",
    "midnight",
}


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + SCHEDULES, BLOCK))
def test_no_schedule_violates_conservation(first: int) -> None:
    happened: Counter[str] = Counter()
    for seed in range(first, first + BLOCK):
        simulation = Simulation(seed).run()
        check(simulation)
        happened.update(simulation.happened())
    assert happened.keys() >= FAULTS, f"faults that never happened: {FAULTS - happened.keys()}"


FOUND = (
    *(202_633_400_026_016, 202_633_500_045_738, 202_633_500_071_181, 202_633_500_076_339),
    *(202_633_500_122_810, 202_633_500_363_785, 202_633_501_241_056),
)
"""Schedules of the nightly runs that violated an invariant once."""


@pytest.mark.parametrize("seed", FOUND)
def test_schedule_that_violated_an_invariant_once_does_no_more(seed: int) -> None:
    check(Simulation(seed).run())


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_broken_rule_is_detected(
    mutation: Callable[[int], Simulation], record_property: Callable[[str, object], None]
) -> None:
    check_detected(mutation, record_property)


if __name__ == "__main__":
    try:
        check(Simulation(int(sys.argv[1])).run())
    except InvariantViolationError as violation:
        sys.exit(str(violation))
    print(f"seed {sys.argv[1]}: no violation")

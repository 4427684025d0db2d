"""Upgrades and reloads in rows count each connection once, and no byte twice.

Repeat one schedule with `python -m tests.faults.upgrades.test_upgrades SEED`. Choose other seeds with
STREAMTOP_FIRST_SEED.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.invariants import InvariantViolationError
from tests.faults.upgrades.mutations import MUTATIONS
from tests.faults.upgrades.simulation import UpgradeSimulation, check_upgrades
from tests.support.detected_mutations import record_detected

FIRST_SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "0"))
SCHEDULES = int(os.environ.get("STREAMTOP_UPGRADES", "1000"))
BLOCK = 250

FAULTS = {"upgraded", "reloaded", "rolled back", "several earlier workers at once", "earlier worker killed"}


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + SCHEDULES, BLOCK))
def test_no_upgrade_changes_what_is_counted(first: int) -> None:
    happened: Counter[str] = Counter()
    for seed in range(first, first + BLOCK):
        simulation = UpgradeSimulation(seed)
        simulation.run()
        check_upgrades(simulation)
        happened.update(simulation.happened())
    assert happened.keys() >= FAULTS, f"faults that never happened: {FAULTS - happened.keys()}"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_broken_rule_of_upgrades_is_detected(
    mutation: type[UpgradeSimulation], record_property: Callable[[str, object], None]
) -> None:
    for seed in range(1000):
        try:
            simulation = mutation(seed)
            simulation.run()
            check_upgrades(simulation)
        except InvariantViolationError as error:
            record_detected(record_property, mutation, seed, error)
            return
    pytest.fail(f"{mutation.__name__} was not detected")


if __name__ == "__main__":
    try:
        simulation = UpgradeSimulation(int(sys.argv[1]))
        simulation.run()
        check_upgrades(simulation)
    except InvariantViolationError as violation:
        sys.exit(str(violation))
    print(f"seed {sys.argv[1]}: no violation")

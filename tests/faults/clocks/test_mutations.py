"""Every broken rule about time is detected by the simulation of wrong clocks."""

from collections.abc import Callable

import pytest

from streamusage.service.errors import ContradictionError
from tests.faults.clocks.mutations import CLOCK_MUTATIONS, DiscardsRowsAfterADay
from tests.faults.clocks.schedules import run_and_check
from tests.faults.clocks.simulation import ClockedSimulation
from tests.support.detected_mutations import record_detected


@pytest.mark.parametrize("seed", [*DiscardsRowsAfterADay.SEEDS, *range(300)])
def test_rows_that_are_discarded_soon_change_nothing(seed: int) -> None:
    run_and_check(DiscardsRowsAfterADay(seed))


@pytest.mark.parametrize("mutation", CLOCK_MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_broken_rule_of_time_is_detected(
    mutation: Callable[[int], ClockedSimulation], record_property: Callable[[str, object], None]
) -> None:
    for seed in getattr(mutation, "SEEDS", range(6000)):
        try:
            run_and_check(mutation(seed))
        except (AssertionError, ContradictionError, ValueError) as error:
            record_detected(record_property, mutation, seed, error)
            return
    pytest.fail(f"{mutation.__name__} was not detected")

"""Every broken rule of figures by stream is detected."""

from collections.abc import Callable

import pytest

from streamusage.service.errors import ContradictionError
from tests.faults.invariants import check
from tests.faults.simulator import Simulation
from tests.faults.stream_mutations import STREAM_MUTATIONS
from tests.support.detected_mutations import record_detected


@pytest.mark.parametrize("mutation", STREAM_MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_broken_rule_is_detected(
    mutation: Callable[[int], Simulation], record_property: Callable[[str, object], None]
) -> None:
    for seed in range(3000):
        try:
            check(mutation(seed).run())
        except (AssertionError, ContradictionError, ValueError) as error:
            record_detected(record_property, mutation, seed, error)
            return
    pytest.fail(f"{mutation.__name__} was not detected in 3,000 schedules")

"""Every broken rule of figures by stream is detected."""

from collections.abc import Callable

import pytest

from tests.faults.invariants import check_detected
from tests.faults.simulator import Simulation
from tests.faults.stream_mutations import STREAM_MUTATIONS


@pytest.mark.parametrize("mutation", STREAM_MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_broken_rule_is_detected(
    mutation: Callable[[int], Simulation], record_property: Callable[[str, object], None]
) -> None:
    check_detected(mutation, record_property)

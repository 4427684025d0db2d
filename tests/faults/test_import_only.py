"""A service without agents closes and discards by trusted time, whatever its wall clock shows."""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.import_only import (
    ImportOnlySimulation,
    ImportsClosedByWallClock,
    ImportsDiscardedByWallClock,
    ImportsWaitForReports,
)

SCHEDULES = 2000

FAULTS = {
    "old records discarded",
    "service stopped for days",
    "service's clock doubtful",
    "service's clock in 1970",
    "service's clock set back",
    "service's clock years ahead",
    "service's machine rebooted",
}


def test_idle_service_closes_and_discards_by_trusted_time() -> None:
    happened: Counter[str] = Counter()
    for seed in range(SCHEDULES):
        try:
            happened.update(ImportOnlySimulation(seed).run().happened())
        except AssertionError as error:
            pytest.fail(f"seed {seed}: {error}")
    assert happened.keys() >= FAULTS


@pytest.mark.parametrize("mutation", [ImportsClosedByWallClock, ImportsDiscardedByWallClock, ImportsWaitForReports])
def test_broken_rule_of_an_idle_service_is_detected(mutation: Callable[[int], ImportOnlySimulation]) -> None:
    for seed in range(200):
        try:
            mutation(seed).run()
        except AssertionError:
            return
    pytest.fail(f"{mutation.__name__} was not detected")

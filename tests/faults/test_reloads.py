"""Reloads and upgrades of the media server count each unit once, and leave one session for each publish.

Repeat one schedule with `python -m tests.faults.test_reloads SEED`. Choose other seeds with STREAMTOP_FIRST_SEED.
"""

import os
import sys
from collections import Counter

import pytest

from tests.faults.invariants import InvariantViolationError, check_replicated, service_totals
from tests.faults.reloads import ReloadSimulation

FIRST_SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "0"))
SCHEDULES = int(os.environ.get("STREAMTOP_RELOADS", "2000"))
BLOCK = 500

FAULTS = {"reloaded", "rolled back", "service restored from an older copy"}


def check(simulation: ReloadSimulation) -> None:
    """Check that the service's figures are the truth. Raises `InvariantViolationError`.

    A connection that no reading showed and whose id another boot uses, or whose boot came back, has its bytes in no
    figure or in one: they are a lower bound.
    """
    truth, service = simulation.server.truth, service_totals(simulation)
    true_bytes = truth.bytes_in[-1], truth.bytes_out[-1]
    counted_bytes = service["bytes_in"], service["bytes_out"]
    view_time = sum(ended - began for began, ended in truth.views)
    publishes = {publish_id for _, publish_id in simulation.store.sessions}
    try:
        check_replicated(simulation)
        assert service["connections"] == len(truth.connections), f"{service}, {len(truth.connections)} connections"
        assert service["view_time_ms"] == view_time, f"{service}, {view_time} ms"
        assert all(map(int.__le__, counted_bytes, true_bytes)), f"{counted_bytes} bytes, true {true_bytes}"
        assert len(publishes) <= simulation.server.published, f"{publishes}, {simulation.server.published} publishes"
        if simulation.server.keeps_numbers and not simulation.server.rollbacks:
            assert counted_bytes == true_bytes, f"{counted_bytes} bytes, true {true_bytes}"
            assert len(publishes) == simulation.server.published, f"{publishes}, not {simulation.server.published}"
        assert not simulation.open_viewers(), f"open for ever: {simulation.open_viewers()}"
    except AssertionError as error:
        raise InvariantViolationError(f"seed {simulation.seed}: {error}") from None


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + SCHEDULES, BLOCK))
def test_no_reload_changes_what_is_counted(first: int) -> None:
    happened: Counter[str] = Counter()
    for seed in range(first, first + BLOCK):
        simulation = ReloadSimulation(seed)
        simulation.run()
        check(simulation)
        happened.update(simulation.happened())
    assert happened.keys() >= FAULTS, f"faults that never happened: {FAULTS - happened.keys()}"


if __name__ == "__main__":
    try:
        simulation = ReloadSimulation(int(sys.argv[1]))
        simulation.run()
        check(simulation)
    except InvariantViolationError as violation:
        sys.exit(str(violation))
    print(f"seed {sys.argv[1]}: no violation")

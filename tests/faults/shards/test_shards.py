"""The outbox between shards under faults: streams show what servers counted, and every broken rule is detected.

Repeat one history with `python -m tests.faults.shards.test_shards SEED`.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.shards.mutations import SHARD_MUTATIONS
from tests.faults.shards.simulation import ShardSimulation
from tests.support.detected_mutations import record_detected

FIRST_SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "0"))
SCHEDULES = max(1, int(os.environ.get("STREAMTOP_SCHEDULES", "20000")) // 10)

FAULTS = {
    "answer to a report lost",
    "message lost",
    "message repeated later",
    "journal destroyed",
    "server shard replaced",
    "stream shard replaced",
}


def test_streams_show_what_servers_counted() -> None:
    happened: Counter[str] = Counter()
    for seed in range(FIRST_SEED, FIRST_SEED + SCHEDULES):
        simulation = ShardSimulation(seed).run()
        simulation.check()
        happened.update(simulation.happened)
    assert happened.keys() >= FAULTS, f"faults that never happened: {FAULTS - happened.keys()}"


@pytest.mark.parametrize("mutation", SHARD_MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_broken_rule_of_the_outbox_is_detected(
    mutation: Callable[[int], ShardSimulation], record_property: Callable[[str, object], None]
) -> None:
    for seed in range(500):
        try:
            mutation(seed).run().check()
        except AssertionError as error:
            record_detected(record_property, mutation, seed, error)
            return
    pytest.fail(f"{mutation.__name__} was not detected")


if __name__ == "__main__":
    ShardSimulation(int(sys.argv[1])).run().check()
    print("no violation")

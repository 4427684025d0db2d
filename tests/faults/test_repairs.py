"""Repairs among all other faults: the epoch is sealed, the journal begins anew, and each unit still counts once.

The times of a repair are the subject of `tests/streamusage/service/rules/test_repair.py`; here no clock is wrong.
Repeat one schedule with `python -m tests.faults.test_repairs SEED`.
"""

import os
import sys
from collections import Counter

from streamusage.service.rules.repair import seal
from tests.faults.invariants import check
from tests.faults.simulator import Simulation

FIRST_SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "0"))
SCHEDULES = 2_000


class RepairedSimulation(Simulation):
    """A simulation in which an operator repairs the server now and then."""

    repairs = 0
    beginnings = 0

    def happened(self) -> dict[str, int]:
        own = {"repaired": self.repairs, "journal began anew": self.beginnings}
        return {**super().happened(), **{what: count for what, count in own.items() if count}}

    def _step(self) -> None:
        if self.random.random() < 0.05 and self.store.state.epoch and not self.store.parts:
            self.store = self.store.copy()
            self.store.state = seal(self.store.state, self.now)
            self.repairs += 1
        else:
            super()._step()

    def _sync(self) -> None:
        before = self._agent().head.journal
        try:
            super()._sync()
        finally:  # the agent may die right after its commit
            if self.journal.disk["head"].journal != before:
                self.beginnings += 1
                self.watching_at_least.clear()

    def _heal(self) -> None:
        self.chance.on = False
        self.now += 1_000
        for _ in range(4):
            self._read()
            self._sync()
            self._sync()
        super()._heal()


def test_units_count_once_whenever_a_server_is_repaired() -> None:
    happened: Counter[str] = Counter()
    for seed in range(FIRST_SEED, FIRST_SEED + SCHEDULES):
        simulation = RepairedSimulation(seed).run()
        check(simulation)
        happened.update(simulation.happened())
    assert happened["journal began anew"] > SCHEDULES // 4, happened


if __name__ == "__main__":
    check(RepairedSimulation(int(sys.argv[1])).run())

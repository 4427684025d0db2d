"""A report of the future that was in flight while its rows were dated again, and arrives when its time has come."""

import pytest

from streamusage.api.report import Acknowledgement, Refusal
from tests.faults.clocks.machines import MINUTE
from tests.faults.clocks.simulation import ClockedSimulation
from tests.faults.invariants import check_clocked

AHEAD_MS = 10 * MINUTE


class LateReport(ClockedSimulation):
    """A schedule without other faults, in which the time line of the agent is ahead for a while."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.chance.on = False
        self._read()
        while self.store.state.watermark is None:
            self._sync()
        self._sync()

    def set_time_line_ahead(self) -> None:
        """Date readings as after a service whose clock was ahead confirmed the time."""
        ledger = self._agent()
        right_ms = self.service_now - self.machine.elapsed(self.now)
        ledger.confirm_offset(self.machine.boot, right_ms + AHEAD_MS)
        self.start_process()

    def pass_minutes(self, minutes: int) -> None:
        for _ in range(minutes):
            self.server.connect(self.now, "play", "stage-1")
            self.now += MINUTE // 2
            self.server.move_bytes(self.now)
            self.now += MINUTE // 2
            self.look_at_clocks()
            self._read()


def test_report_that_is_in_flight_while_its_rows_are_dated_again_is_not_applied_later() -> None:
    simulations = [LateReport(seed) for seed in range(60)]
    exact = [one for one in simulations if one.server.keeps_log and one.viewers.ends != "numbers"]
    assert len(exact) > 20
    for simulation in exact:
        deliver_late(simulation)
        check_clocked(simulation)


def deliver_late(simulation: LateReport) -> None:
    simulation.set_time_line_ahead()
    simulation.pass_minutes(2)
    late = simulation._agent().report(simulation.now, "online")
    assert late is not None
    simulation.pass_minutes(1)
    simulation._sync()  # refused: the agent dates its rows again
    assert simulation.happened().get("coverage of the future refused")
    simulation.pass_minutes(15)  # the link is down
    reply = simulation.serve(late)
    assert isinstance(reply, Refusal | Acknowledgement)
    assert isinstance(reply, Refusal), "the agent has dated these rows otherwise"
    simulation._heal()


@pytest.mark.parametrize("seed", range(10))
def test_agent_that_waits_until_its_time_has_come_is_accepted(seed: int) -> None:
    """An agent of an earlier version does not date its rows again. Its next report has more revisions."""
    simulation = LateReport(seed)
    simulation.set_time_line_ahead()
    simulation.pass_minutes(2)
    refused = simulation._agent().report(simulation.now, "online")
    assert refused is not None
    assert isinstance(simulation.serve(refused), Refusal)
    simulation.now += AHEAD_MS + MINUTE
    simulation.look_at_clocks()
    simulation._agent().record_failed_sync("retrying", "refused", simulation.now)
    again = simulation._agent().report(simulation.now, "online")
    assert again is not None
    assert isinstance(simulation.serve(again), Acknowledgement)

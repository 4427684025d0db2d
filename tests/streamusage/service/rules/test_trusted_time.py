"""Trusted time: what raises a doubt about the wall clock, what trusted time is then, and that every doubt ends."""

import random
from collections.abc import Callable

import pytest

from streamusage.service.rules.trusted_time import (
    AGREEMENT_MS,
    OFF_MS,
    QUIET_MS,
    STEP_MS,
    Ended,
    Evidence,
    MachineReading,
    TrustedTime,
    accept,
    see_machines,
    start,
    tick,
    trusted_ms,
)

RELEASED = 1_793_000_000_000
TRUE = 1_795_000_000_000
YEAR = 365 * OFF_MS
SECOND = 1_000
BOOT = "boot-of-the-service"


class Machine:
    """A service's machine: its two clocks, the machines of its agents, and the state that the rules make of them."""

    def __init__(self, *, off_ms: int = 0, newest_ms: int | None = TRUE - 60_000, elapsed_ms: int = 50_000) -> None:
        self.true_ms = TRUE
        self.elapsed_ms = elapsed_ms
        self.off_ms = off_ms
        self.agents: dict[str, tuple[str, int]] = {}
        self.state = start(None, BOOT, self.wall_ms, elapsed_ms, newest_ms, RELEASED)

    @property
    def wall_ms(self) -> int:
        return self.true_ms + self.off_ms

    @property
    def trusted_off_ms(self) -> int:
        return trusted_ms(self.state, self.elapsed_ms) - self.true_ms

    def report(self, *off_ms: int) -> None:
        """Let this many machines report, whose clocks are off by that."""
        self.agents = {f"server-{number}": (f"boot-{number}", off) for number, off in enumerate(off_ms)}

    def tick(self) -> None:
        readings = {
            server: MachineReading(boot, self.true_ms + off_ms - self.elapsed_ms, self.elapsed_ms)
            for server, (boot, off_ms) in self.agents.items()
        }
        self.state = see_machines(self.state, readings, self.elapsed_ms)
        self.state = tick(self.state, BOOT, self.wall_ms, self.elapsed_ms)

    def run(self, for_ms: int, every_ms: int = 2_000) -> None:
        for _ in range(0, for_ms, every_ms):
            self.true_ms += every_ms
            self.elapsed_ms += every_ms
            self.tick()

    def restart(self, off_time_ms: int = 0) -> None:
        """Restart the process on the same boot."""
        self.true_ms += off_time_ms
        self.elapsed_ms += off_time_ms
        self.state = start(self.state, BOOT, self.wall_ms, self.elapsed_ms, None, RELEASED)

    def reboot(self, off_ms: int, down_ms: int = 60_000) -> None:
        newest_ms = trusted_ms(self.state, self.elapsed_ms)
        self.true_ms += down_ms
        self.off_ms, self.elapsed_ms = off_ms, 9_000
        self.state = start(None, BOOT, self.wall_ms, self.elapsed_ms, newest_ms, RELEASED)

    def accept(self) -> None:
        self.state = accept(self.state, self.wall_ms, self.elapsed_ms)

    @property
    def cause(self) -> Evidence | None:
        return None if self.state.doubt is None else self.state.doubt.cause


def in_doubt_by_step(off_ms: int = YEAR) -> Machine:
    machine = Machine()
    machine.run(60_000)
    machine.off_ms = off_ms
    machine.run(2_000)
    assert machine.cause == Evidence.STEP
    return machine


def in_doubt_in_1970() -> Machine:
    machine = Machine(off_ms=-TRUE)
    assert machine.cause == Evidence.RELEASE
    return machine


def in_doubt_in_1970_with_a_new_store() -> Machine:
    machine = Machine(off_ms=-TRUE, newest_ms=None)
    assert machine.cause == Evidence.RELEASE
    return machine


def in_doubt_by_step_to_1970() -> Machine:
    machine = Machine()
    machine.off_ms = -TRUE
    machine.run(2_000)
    assert machine.cause == Evidence.RELEASE
    return machine


def in_doubt_by_store() -> Machine:
    machine = Machine(off_ms=YEAR)
    assert machine.cause == Evidence.STORE
    return machine


def in_doubt_after_three_days_off() -> Machine:
    machine = Machine(newest_ms=TRUE - 3 * OFF_MS)
    assert machine.cause == Evidence.STORE
    return machine


def in_doubt_by_machines() -> Machine:
    machine = Machine(off_ms=5 * 3_600_000)
    assert machine.cause is None, "five hours are less than a day"
    machine.report(0, 2_000, -3_000)
    machine.run(2_000)
    assert machine.cause == Evidence.MACHINES
    return machine


DOUBTS = [
    in_doubt_by_step,
    in_doubt_in_1970,
    in_doubt_in_1970_with_a_new_store,
    in_doubt_by_step_to_1970,
    in_doubt_by_store,
    in_doubt_after_three_days_off,
    in_doubt_by_machines,
]


def correct_the_wall_clock(machine: Machine) -> None:
    machine.off_ms = 0
    machine.run(2_000)


def let_three_machines_agree(machine: Machine) -> None:
    off_ms = machine.off_ms
    machine.report(off_ms, off_ms + 1_000, off_ms - 1_000)
    machine.run(AGREEMENT_MS + 4_000)


def let_a_day_pass_without_machines(machine: Machine) -> None:
    machine.report()
    machine.run(QUIET_MS + 1_200_000, every_ms=300_000)


def let_the_operator_accept(machine: Machine) -> None:
    machine.report()
    machine.accept()
    machine.run(2_000)


WAYS_OUT = [
    correct_the_wall_clock,
    let_three_machines_agree,
    let_a_day_pass_without_machines,
    let_the_operator_accept,
]
IN_1970 = {in_doubt_in_1970, in_doubt_in_1970_with_a_new_store, in_doubt_by_step_to_1970}
ESTIMATED = {in_doubt_after_three_days_off}
"""Here the wall clock was right all the time: nothing needs to be corrected, and nothing shows it without a witness."""


@pytest.mark.parametrize("way_out", WAYS_OUT)
@pytest.mark.parametrize("begin", DOUBTS)
def test_every_doubt_ends_in_every_way(begin: Callable[[], Machine], way_out: Callable[[Machine], None]) -> None:
    machine = begin()
    way_out(machine)
    if begin in IN_1970 and way_out is not correct_the_wall_clock:
        assert machine.cause, "no machine and no operator makes a time before the newest migration possible"
        correct_the_wall_clock(machine)
    if begin in ESTIMATED and way_out is correct_the_wall_clock:
        assert machine.cause, "it is right already, which only a witness or a day can show"
        let_a_day_pass_without_machines(machine)
    assert machine.cause is None
    assert machine.trusted_off_ms == machine.off_ms
    machine.run(60_000)
    assert machine.cause is None, "the doubt does not come back"


@pytest.mark.parametrize("begin", DOUBTS)
@pytest.mark.parametrize("how", ["restart", "reboot"])
def test_every_doubt_ends_after_a_restart_and_after_a_reboot(begin: Callable[[], Machine], how: str) -> None:
    machine = begin()
    if how == "restart":
        cause = machine.cause
        machine.restart(30_000)
        assert machine.cause == cause, "a restart ends no doubt"
    else:
        machine.reboot(machine.off_ms)
    machine.off_ms = 0
    machine.report(0, 0, 0)
    machine.run(AGREEMENT_MS + 4_000)
    assert (machine.cause, machine.trusted_off_ms) == (None, 0)


def test_each_way_out_is_recorded() -> None:
    ended = []
    for way_out in WAYS_OUT:
        machine = in_doubt_by_step()
        way_out(machine)
        ended.append(machine.state.ended)
    assert ended == [Ended.BACK, Ended.AGREED, Ended.QUIET, Ended.ACCEPTED]


def test_wall_clock_that_agrees_is_followed() -> None:
    machine = Machine()
    for _ in range(100):
        machine.off_ms += 20
        machine.run(30_000)
        assert (machine.cause, machine.trusted_off_ms) == (None, machine.off_ms), "a slow correction is no evidence"
    machine.off_ms -= STEP_MS
    machine.run(2_000)
    assert (machine.cause, machine.trusted_off_ms) == (None, machine.off_ms)


@pytest.mark.parametrize("off_ms", [STEP_MS + 1, -STEP_MS - 1, YEAR, 500 * OFF_MS])
def test_step_within_a_boot_does_not_move_trusted_time(off_ms: int) -> None:
    machine = Machine()
    machine.run(10_000)
    machine.off_ms = off_ms
    machine.run(150_000)
    assert (machine.cause, machine.trusted_off_ms) == (Evidence.STEP, 0)
    assert machine.state.doubt is not None
    assert (machine.state.doubt.by_ms, machine.state.doubt.since_ms) == (off_ms, TRUE + 12_000)
    machine.off_ms = 0
    machine.run(2_000)
    assert (machine.cause, machine.state.ended, machine.trusted_off_ms) == (None, Ended.BACK, 0)


def test_trusted_time_after_a_reboot_in_doubt_is_the_newest_time_of_the_store() -> None:
    machine = Machine(off_ms=YEAR, newest_ms=TRUE - 60_000)
    machine.run(600_000)
    assert machine.trusted_off_ms == -60_000
    nothing_stored = Machine(off_ms=-TRUE, newest_ms=None)
    assert trusted_ms(nothing_stored.state, nothing_stored.elapsed_ms) == RELEASED


def test_trusted_time_after_a_reboot_in_doubt_is_the_median_of_three_machines() -> None:
    machine = Machine(off_ms=YEAR, newest_ms=TRUE - 8 * 3_600_000)
    machine.report(0, 1_000)
    machine.run(60_000)
    assert machine.trusted_off_ms == -8 * 3_600_000
    machine.report(0, 1_000, YEAR)
    machine.run(60_000)
    assert abs(machine.trusted_off_ms) <= 2_000
    assert machine.cause == Evidence.STORE, "the wall clock of the service is still wrong"


def test_store_whose_newest_time_is_far_ahead_keeps_the_service_in_doubt_until_machines_agree() -> None:
    machine = Machine(newest_ms=TRUE + YEAR)
    assert machine.cause == Evidence.STORE
    machine.report(0, 0, 0)
    machine.run(AGREEMENT_MS + 4_000)
    assert (machine.cause, machine.trusted_off_ms) == (None, 0)


@pytest.mark.parametrize(
    "off_ms", [[YEAR], [YEAR, YEAR], [-TRUE, -TRUE], [0, YEAR], [0, YEAR, YEAR], [0, -YEAR // 10, -YEAR // 10]]
)
def test_one_or_two_machines_that_disagree_raise_no_doubt(off_ms: list[int]) -> None:
    machine = Machine()
    machine.report(*off_ms)
    machine.run(3_600_000, every_ms=30_000)
    assert machine.cause is None


def test_machines_that_agree_about_nothing_raise_no_doubt() -> None:
    machine = Machine()
    machine.report(3_600_000, YEAR, 2 * YEAR, 0)
    machine.run(3_600_000, every_ms=30_000)
    assert machine.cause is None


def test_one_wrong_machine_of_three_does_not_hide_that_the_wall_clock_is_wrong() -> None:
    machine = Machine(off_ms=5 * 3_600_000)
    machine.report(0, 1_000, YEAR)
    machine.run(4_000)
    assert (machine.cause, abs(machine.trusted_off_ms) <= 2_000) == (Evidence.MACHINES, True)


def test_two_wrong_machines_of_three_neither_move_trusted_time_ahead_nor_keep_a_doubt_alive() -> None:
    machine = Machine(newest_ms=TRUE - 3 * OFF_MS)
    machine.report(0, YEAR, YEAR)
    machine.run(60_000)
    assert (machine.cause, machine.trusted_off_ms) == (Evidence.STORE, -3 * OFF_MS)
    machine.run(QUIET_MS + 600_000, every_ms=300_000)
    assert (machine.cause, machine.trusted_off_ms) == (None, 0)


def test_two_machines_that_become_wrong_in_a_doubt_by_machines_do_not_keep_it_alive() -> None:
    machine = in_doubt_by_machines()
    machine.report(0, -300_000, -310_000)
    machine.run(60_000)
    assert abs(machine.trusted_off_ms) <= 2_000
    machine.off_ms = 0
    machine.run(4_000)
    assert (machine.cause, machine.trusted_off_ms) == (None, 0)


def test_doubt_by_a_median_of_two_wrong_machines_ends_when_the_wall_clock_was_corrected() -> None:
    machine = Machine(off_ms=-3_600_000)
    machine.report(0, -300_000, -310_000)
    machine.run(60_000)
    assert machine.cause == Evidence.MACHINES
    machine.off_ms = 0
    machine.run(QUIET_MS + 600_000, every_ms=300_000)
    assert (machine.cause, machine.trusted_off_ms) == (None, 0)


def test_two_machines_in_1970_of_three_neither_move_trusted_time_nor_keep_a_doubt_alive() -> None:
    """The service's clock, set to 1970 as well, is not taken for right, although most of the machines agree with it."""
    machine = in_doubt_by_store()
    machine.report(0, -TRUE, -TRUE)
    machine.run(60_000)
    assert machine.trusted_off_ms == -60_000
    machine.off_ms = -TRUE
    machine.run(AGREEMENT_MS + 4_000)
    assert (machine.cause, machine.trusted_off_ms) == (Evidence.STORE, -60_000)
    machine.off_ms = 0
    machine.run(4_000)
    assert (machine.cause, machine.trusted_off_ms) == (None, 0)


def test_one_wrong_machine_of_fifty_raises_no_doubt() -> None:
    machine = Machine()
    machine.report(YEAR, *[0] * 49)
    machine.run(600_000, every_ms=10_000)
    assert machine.cause is None


def test_several_servers_of_one_machine_are_one_witness() -> None:
    machine = Machine()
    machine.agents = {f"server-{number}": ("one boot", YEAR) for number in range(9)}
    machine.run(60_000)
    assert machine.cause is None


def test_one_agent_that_names_many_boots_is_one_witness() -> None:
    machine = Machine()
    for number in range(100):
        machine.agents = {"hostile": (f"boot-{number}", YEAR)}
        machine.run(2_000)
    assert machine.cause is None


def test_agents_on_the_machine_of_the_service_are_no_witnesses() -> None:
    machine = Machine(off_ms=YEAR, newest_ms=None)
    machine.agents = {f"server-{number}": (BOOT, YEAR) for number in range(3)}
    machine.run(10_000)
    assert machine.state.witnesses == {}


def test_machines_do_not_contradict_a_wall_clock_that_was_vouched_for() -> None:
    machine = Machine()
    machine.report(0, 0, 0)
    machine.run(AGREEMENT_MS + 4_000)
    assert machine.state.vouched
    machine.report(300_000, 300_000, 300_000)
    machine.run(60_000)
    assert machine.cause is None, "the boot clock is better evidence than the machines' common step"


def test_agreement_of_machines_must_last() -> None:
    machine = in_doubt_by_step()
    for _ in range(5):
        machine.report(YEAR, YEAR, YEAR)
        machine.run(AGREEMENT_MS - 10_000)
        machine.report(0, 0, YEAR)
        machine.run(4_000)
    assert (machine.cause, machine.trusted_off_ms) == (Evidence.STEP, 0)


def test_three_machines_that_agree_are_not_enough_against_a_majority() -> None:
    machine = in_doubt_by_step()
    machine.report(YEAR, YEAR, YEAR, 0, 0, 0, 0)
    machine.run(2 * AGREEMENT_MS)
    assert machine.cause == Evidence.STEP


def test_one_wrong_machine_of_three_does_not_keep_a_doubt_alive() -> None:
    machine = Machine(newest_ms=TRUE - 3 * OFF_MS)
    machine.report(0, 0, YEAR)
    machine.run(QUIET_MS + 600_000, every_ms=300_000)
    assert (machine.cause, machine.trusted_off_ms) == (None, 0)


@pytest.mark.parametrize("machines", [1, 2])
def test_day_without_machines_does_not_count_while_one_agrees_with_trusted_time(machines: int) -> None:
    machine = in_doubt_by_step()
    machine.report(*[0] * machines)
    machine.run(3 * QUIET_MS, every_ms=300_000)
    assert (machine.cause, machine.trusted_off_ms) == (Evidence.STEP, 0)


def test_machine_that_disagrees_with_both_is_no_evidence() -> None:
    machine = in_doubt_by_step(600_000)
    machine.report(7 * OFF_MS)
    machine.run(QUIET_MS + 600_000, every_ms=300_000)
    assert machine.cause is None


def test_further_step_restarts_the_day_without_evidence() -> None:
    machine = in_doubt_by_step()
    for _ in range(5):
        machine.run(QUIET_MS - 600_000, every_ms=300_000)
        machine.off_ms += 120_000
        machine.run(2_000)
    assert machine.cause == Evidence.STEP


def test_time_in_which_the_service_was_off_does_not_count_for_the_day_without_evidence() -> None:
    machine = in_doubt_by_step()
    machine.restart(10 * QUIET_MS)
    assert machine.cause == Evidence.STEP
    assert machine.trusted_off_ms == 0, "the boot clock continued"
    machine.run(QUIET_MS + 600_000, every_ms=300_000)
    assert machine.cause is None


def test_process_that_was_off_for_weeks_is_trusted_on_the_same_boot() -> None:
    machine = Machine()
    machine.restart(21 * OFF_MS)
    assert (machine.cause, machine.trusted_off_ms) == (None, 0)


def test_boot_clock_that_falls_is_another_boot() -> None:
    machine = Machine()
    machine.elapsed_ms = 10
    machine.off_ms = YEAR
    machine.tick()
    assert (machine.cause, machine.trusted_off_ms) == (Evidence.STORE, 0)


def test_without_a_boot_id_the_boot_clock_may_stand_still_in_suspend() -> None:
    state = start(None, "", TRUE, 0, None, RELEASED)
    state = tick(state, "", TRUE + 8 * 3_600_000, 2_000)
    assert state.doubt is None
    assert tick(state, "", TRUE + 8 * 3_600_000 + YEAR, 4_000).doubt is not None
    assert tick(state, "", TRUE, 4_000).doubt is not None


def test_time_before_the_newest_migration_cannot_be_accepted() -> None:
    machine = in_doubt_in_1970()
    before = machine.state
    machine.accept()
    assert machine.state is before


@pytest.mark.parametrize("seed", range(300))
def test_random_histories_keep_trusted_time_sound_and_let_every_doubt_end(seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    machine = Machine(
        off_ms=chance.choice([0, 0, YEAR, -TRUE, 3_600_000]),
        newest_ms=chance.choice([None, TRUE - 60_000, TRUE - 3 * OFF_MS, TRUE + YEAR]),
    )
    for _ in range(80):
        before, elapsed_ms = machine.state, machine.elapsed_ms
        event = chance.randrange(7)
        if event == 0:
            machine.off_ms = chance.choice([0, 0, 30_000, -90_000, 3_600_000, YEAR, 500 * OFF_MS, -TRUE])
        elif event == 1:
            machine.report(*(chance.choice([0, 0, 0, 5_000, YEAR]) for _ in range(chance.randrange(6))))
        elif event == 2:
            machine.restart(chance.choice([0, 5_000, OFF_MS]))
        elif event == 3 and chance.random() < 0.3:
            machine.reboot(chance.choice([0, 0, YEAR, -TRUE, 3_600_000]))
        elif event == 4 and chance.random() < 0.3:
            machine.accept()
        else:
            for_ms = chance.choice([2_000, 60_000, AGREEMENT_MS, QUIET_MS])
            machine.run(for_ms, every_ms=max(2_000, for_ms // 100))
        check_sound(before, elapsed_ms, machine)
    for way_out in chance.sample([correct_the_wall_clock, let_three_machines_agree], 2):
        way_out(machine)
    if machine.cause:
        machine.off_ms = 0
        let_three_machines_agree(machine)
    assert (machine.cause, machine.trusted_off_ms) == (None, machine.off_ms)


def check_sound(before: TrustedTime, elapsed_ms: int, machine: Machine) -> None:
    """Check that trusted time left the boot clock for nothing but the wall clock, an estimate, or the machines."""
    after = machine.state
    if after.doubt is None:
        assert after.basis == "boot"
        assert after.ended is None or after.instant_ms >= RELEASED
    if before.doubt is not None and after.doubt == before.doubt and before.basis == after.basis == "boot":
        moved_ms = trusted_ms(after, machine.elapsed_ms) - trusted_ms(before, elapsed_ms)
        assert moved_ms == machine.elapsed_ms - elapsed_ms, "in doubt trusted time is the boot clock"

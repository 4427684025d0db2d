"""Clocks: elapsed time never steps, and wall time steps only where it should."""

from streamusage.core.clock import SteadyClock, SystemClock


class SteppingClock(SystemClock):
    """A clock whose wall time and elapsed time a test sets."""

    def __init__(self) -> None:
        self.wall_ms, self.elapsed = 1_000_000, 500

    def now_ms(self) -> int:
        return self.wall_ms

    def elapsed_ms(self) -> int:
        return self.elapsed


def test_steady_clock_follows_elapsed_time_and_ignores_steps_of_the_wall_clock() -> None:
    machine = SteppingClock()
    steady = SteadyClock(machine)
    machine.wall_ms += 3_600_000
    machine.elapsed += 70
    assert (steady.now_ms(), steady.elapsed_ms()) == (1_000_070, 570)
    assert steady.ahead_ms == 70 - 3_600_000


def test_correction_steps_the_wall_time_and_not_the_elapsed_time() -> None:
    machine = SteppingClock()
    steady = SteadyClock(machine)
    steady.correct(-2_000)
    steady.correct(500)
    assert (steady.now_ms(), steady.elapsed_ms(), steady.ahead_ms) == (998_500, 500, -1_500)


def test_elapsed_time_of_the_machine_does_not_fall() -> None:
    clock = SystemClock()
    readings = [clock.elapsed_ms() for _ in range(1_000)]
    assert readings == sorted(readings)

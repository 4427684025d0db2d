"""The clock of the machine."""

from streamusage.core.clock import SystemClock


def test_elapsed_time_of_the_machine_does_not_fall() -> None:
    clock = SystemClock()
    readings = [clock.elapsed_ms() for _ in range(1_000)]
    assert readings == sorted(readings)

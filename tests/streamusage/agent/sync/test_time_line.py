"""Readings on the agent's time line."""

import pytest

from streamusage.agent.reading import Reading
from streamusage.agent.sync.time_line import TimeLine

OFFSET_MS = 1_000_000
MACHINE_MS = 1_795_000_000_000


@pytest.mark.parametrize("step_ms", [0, 3_600_000, -3_600_000])
def test_reading_with_both_clocks_of_one_instant_is_placed_there_whatever_the_wall_clock_does_later(
    step_ms: int,
) -> None:
    reading = Reading(at=MACHINE_MS + 5_000, elapsed_ms=5_000, boot="b1", started_at=0)
    placed = TimeLine("run").place(reading, OFFSET_MS, 4_000, 6_000, MACHINE_MS + 6_000 + step_ms)
    assert (placed.at, placed.elapsed_ms, placed.machine_offset_ms) == (OFFSET_MS + 5_000, 5_000, MACHINE_MS)

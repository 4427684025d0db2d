"""Random screens on terminals of every opinion about widths: every cell is as it was meant."""

import pytest

from tests.support.console.random_frames import FIRST_SEED, FRAMES, FRAMES_A_SEED, Kind, run_frames
from tests.support.console.terminal_model import OPINIONS


@pytest.mark.parametrize("opinion", OPINIONS)
@pytest.mark.parametrize("erases_in_colour", [True, False])
def test_every_cell_is_as_it_was_meant(opinion: str, erases_in_colour: bool) -> None:
    runs = max(1, FRAMES // 2 // FRAMES_A_SEED // len(OPINIONS) // 2)
    print(f"seeds {FIRST_SEED} to {FIRST_SEED + runs - 1}, {FRAMES_A_SEED} frames each")
    for seed in range(FIRST_SEED, FIRST_SEED + runs):
        run_frames(seed, Kind(opinion, erases_in_colour), frames=FRAMES_A_SEED)

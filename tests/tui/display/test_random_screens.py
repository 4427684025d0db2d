"""Random screens on terminals of every opinion about widths: every cell is as it was meant."""

import pytest

from tests.support.console.terminals.random_frames import FIRST_SEED, FRAMES, FRAMES_A_SEED, Kind, run_frames
from tests.support.console.terminals.terminal_model import OPINIONS


@pytest.mark.parametrize("opinion", OPINIONS)
@pytest.mark.parametrize("erases_in_colour", [True, False])
def test_every_cell_is_as_it_was_meant(opinion: str, erases_in_colour: bool) -> None:
    runs = max(1, FRAMES // 2 // FRAMES_A_SEED // len(OPINIONS) // 2)
    print(f"seeds {FIRST_SEED} to {FIRST_SEED + runs - 1}, {FRAMES_A_SEED} frames each")
    for seed in range(FIRST_SEED, FIRST_SEED + runs):
        run_frames(seed, Kind(opinion, erases_in_colour), frames=FRAMES_A_SEED)


def test_character_of_doubtful_width_in_the_last_cell_does_not_take_the_one_before() -> None:
    """A terminal that has no room for it there moves it to the left. Found by the nightly run: seed 10, frame 45."""
    run_frames(10, Kind("ambiguous is wide", erases_in_colour=True), frames=FRAMES_A_SEED)

"""Random keys in single writes, random sizes and random answers: nothing ends the console, deletes or misdirects a key.

`STREAMTOP_KEY_STEPS` and `STREAMTOP_FIRST_SEED` set how much is tried, `STREAMTOP_KEY_FPS` how many frames a second are
drawn; `.ci/nightly` tries 50,000 steps, with all frames of the product. A failure
prints its seed and its last steps. To try a seed again: python -m tests.tui.keyboard.test_random_keys SEED [STEPS]
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.support.console.frozen_service import build_store
from tests.support.console.key_fuzz import STEPS_A_ROUND, Round, key_names

STEPS = int(os.environ.get("STREAMTOP_KEY_STEPS", "2000"))
FIRST_SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "0"))


async def test_random_keys_end_nothing_and_delete_nothing_unconfirmed(store_of_an_hour: Path, tmp_path: Path) -> None:
    rounds = -(-STEPS // STEPS_A_ROUND)
    print(f"seeds {FIRST_SEED} to {FIRST_SEED + rounds - 1}, {STEPS_A_ROUND} steps each")
    confirmed = 0
    for seed in range(FIRST_SEED, FIRST_SEED + rounds):
        tried = Round(seed, store_of_an_hour, tmp_path / str(seed))
        await tried.run(STEPS_A_ROUND)
        confirmed += tried.confirmed
    assert confirmed, "no delete was confirmed: the keys tried nothing dangerous"


def test_names_of_typed_keys() -> None:
    typed = "/d\x1b\x1b[A\r\x1b[200~q\r\x1b[201~\x1b[I"
    assert key_names(typed) == ["slash", "d", "escape", "up", "enter", "paste"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        folder, (seed, *steps) = Path(scratch), map(int, sys.argv[1:])
        (folder / "store").mkdir()
        store = build_store(folder / "store")
        asyncio.run(Round(seed, store, folder / "round").run(steps[0] if steps else STEPS_A_ROUND))

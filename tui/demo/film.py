"""The moving picture: the demo's outage opens and heals, then the days, as screens with their times."""

from pathlib import Path
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style

from tui.demo.moving_picture import Screen, moving_picture
from tui.demo.photographer import GROUND, INK, STEP_MS, Photographer, photographer
from tui.demo.regions import BEGINS_MS, CUT_OFF, DAY_MS, MINUTE_MS
from tui.demo.screen_cells import cells_of
from tui.recording.asciicast import CastEncoder, encode_cast

COLUMNS, ROWS = 96, 25
"""The last row is the caption."""
MIDNIGHT_MS = BEGINS_MS - BEGINS_MS % DAY_MS + DAY_MS
CLOSED_AFTER_MS = 3 * MINUTE_MS
TITLE = "streamtop: an outage opens, heals, and is in the day's figures"

_KEY = Style(color="#10141a", bgcolor="#e6b450", bold=True)
_CAPTION = Style(color="#e6e6e6", bgcolor="#26303c")


class Film(NamedTuple):
    """Screens, and how the picture uses them."""

    screens: list[Screen]
    length_ms: int
    still: int
    """Number of the screen that is shown without motion."""

    def picture(self) -> str:
        """Return the animated SVG."""
        return moving_picture(self.screens, COLUMNS, length_ms=self.length_ms, still=self.still, ink=INK, ground=GROUND)

    def cast(self) -> str:
        """Return the asciicast file."""
        encoder = CastEncoder(COLUMNS, ROWS)
        for screen in self.screens:
            encoder.add(BEGINS_MS + screen.at_ms, cells_of(screen, COLUMNS, ROWS))
        end_ms = BEGINS_MS + self.length_ms
        return encode_cast(encoder, BEGINS_MS, end_ms, title=TITLE, ink=INK, ground=GROUND, marks=()).decode()


async def shoot_film(directory: Path) -> Film:
    """Return the film. Files of the estate are made in `directory`."""
    async with photographer(directory, (COLUMNS, ROWS - 1)) as camera:
        return await _Director(camera).shoot()


class _Director:
    def __init__(self, camera: Photographer) -> None:
        self._camera = camera
        self._screens: list[Screen] = []
        self._at_ms = 0

    async def shoot(self) -> Film:
        camera = self._camera
        await camera.first_poll()
        await self._live("Three media servers, a dozen streams: who publishes, who watches.", 3, 800)
        await camera.estate.cut(CUT_OFF)
        await self._live(f"{CUT_OFF} loses its network. Its agent keeps counting.", 4, 700)
        await self._live("Totals without it are lower bounds: ≥. Nothing is guessed.", 6, 600, steps_each=2)
        await camera.open_gaps()
        await self._show("The gap view: · is missing. Not reported yet, which is not zero.", 1_600, "g", press=["N"])
        await self._live("The gap view: · is missing. Not reported yet, which is not zero.", 4, 700, steps_each=3)
        await camera.estate.heal(CUT_OFF)
        await self._live("The network is back: the agent sends what it owes at its next attempt.", 2, 700)
        while camera.app.state.unseen.owing_most:
            await camera.pass_time(steps=1)
        await camera.pass_time(steps=6)
        await self._show("▒ is backfilled: every unit, once, with the time at which it arrived.", 2_800)
        still = len(self._screens) - 1
        await self._show("The gap in full: when it opened, and what the agent delivered.", 3_000, "⏎", press=["enter"])
        await camera.pilot.press("escape", "escape")
        await self._show(
            "A month of days: final, adjusted by what came late, partial ▄, lost ×.", 3_600, "y", press=["y"]
        )
        # Closed while time passes: a view that is open fetches at instants that depend on the machine.
        await camera.pilot.press("escape")
        await camera.pass_time(steps=(MIDNIGHT_MS + CLOSED_AFTER_MS - camera.now_ms) // STEP_MS)
        await self._show("Midnight has passed: all servers have reported, and Saturday is final.", 2_800, press=["y"])
        await self._show("The same month by customer, for signed statements.", 3_000, "shift+tab", press=["shift+tab"])
        return Film(self._screens, self._at_ms, still)

    async def _live(self, caption: str, screens: int, each_ms: int, *, steps_each: int = 1) -> None:
        for _ in range(screens):
            await self._camera.pass_time(steps=steps_each)
            await self._show(caption, each_ms)

    async def _show(self, caption: str, for_ms: int, key: str = "", press: list[str] | None = None) -> None:
        lines = await self._camera.take(*(press or []))
        self._screens.append(Screen(self._at_ms, [*lines, _caption(caption, key)]))
        self._at_ms += for_ms


def _caption(text: str, key: str) -> list[Segment]:
    shown = [Segment(f" {key} ", _KEY)] if key else []
    text = f" {text}"
    return [*shown, Segment(text.ljust(COLUMNS - sum(segment.cell_length for segment in shown)), _CAPTION)]

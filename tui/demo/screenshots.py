"""Pictures of every main view, from the seeded demo: `python -m tui.demo.screenshots`.

The service, the agents and their HTTP are the demo's, on a clock that only this script moves; the same commit makes the
same SVGs and the same cast, byte for byte. The PNGs are drawn from the SVGs with the fonts of the machine.
"""

import asyncio
import contextlib
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from streamusage.extras import install_command
from tui.demo.film import shoot_film
from tui.demo.photographer import GROUND, INK, Photographer, photographer
from tui.demo.picture import picture
from tui.demo.regions import CUT_OFF

FOLDER = Path(__file__).parents[2] / "screenshots"
MINUTE = 6
"""Steps of the photographer in a minute."""


async def draw_all(directory: Path) -> dict[str, str]:
    """Return the SVG of every view by its name. Files of the estate are made in `directory`."""
    async with photographer(directory, (116, 28)) as camera:
        return await _Tour(camera).take_all()


async def draw_film(directory: Path) -> dict[str, str]:
    """Return the moving picture and the cast by file name. Files of the estate are made in `directory`."""
    film = await shoot_film(directory)
    return {"demo.svg": film.picture(), "demo.cast": film.cast()}


class _Tour:
    """The way through all views."""

    def __init__(self, camera: Photographer) -> None:
        self._camera = camera
        self._taken: dict[str, str] = {}

    async def take_all(self) -> dict[str, str]:
        camera, pilot = self._camera, self._camera.pilot
        await camera.first_poll()
        await camera.pass_time(steps=2 * MINUTE)
        await camera.estate.cut(CUT_OFF)
        await camera.pass_time(steps=3 * MINUTE)
        await camera.open_gaps()
        await pilot.press("N")
        await self._take("gap-open", 100, 24)
        await pilot.press("escape")
        await camera.estate.heal(CUT_OFF)
        while camera.app.state.unseen.owing_most:
            await camera.pass_time(steps=MINUTE)
        await camera.pass_time(steps=MINUTE)
        await self._take("sessions", 116, 26)
        await camera.pass_time(steps=2 * MINUTE)
        await camera.open_gaps()
        await pilot.press("N")
        await self._take("gap-filled", 100, 24)
        await self._take("gap-streams", 100, 24, "tab")
        await pilot.press("tab", "enter")
        await self._take("gap", 100, 40)
        await pilot.press("escape", "escape")
        await self._take("sessions-80x24", 80, 24)
        await pilot.press("y")
        await self._take("days", 110, 30)
        await self._take("days-customers", 110, 24, "shift+tab")
        await pilot.press("tab")
        await pilot.press("escape")
        await pilot.resize_terminal(140, 34)
        await pilot.press("enter")
        await camera.until(self._has_history)
        await self._take("detail", 140, 34)
        await pilot.press("escape")
        await self._take("help", 90, 44, "question_mark")
        await pilot.press("escape")
        await self._take("delete", 100, 24, "j", "D")
        await pilot.press("escape")
        return self._taken

    def _has_history(self) -> bool:
        app = self._camera.app
        session = app.sessions_screen.table.cursor_session
        return session is not None and session.key in app.state.stream_history

    async def _take(self, name: str, columns: int, lines: int, *keys: str) -> None:
        await self._camera.pilot.resize_terminal(columns, lines)
        self._taken[name] = picture(await self._camera.take(*keys), columns, ink=INK, ground=GROUND)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder for the estate's files."""
    with tempfile.TemporaryDirectory(prefix="streamtop-screenshots-") as directory:
        yield Path(directory)


@click.command()
def main() -> None:
    """Redraw every view into screenshots/."""
    logging.basicConfig(level=logging.CRITICAL)
    with scratch() as directory:
        drawings = asyncio.run(draw_all(directory))
    with scratch() as directory:
        moving = asyncio.run(draw_film(directory))
    FOLDER.mkdir(exist_ok=True)
    for name, text in moving.items():
        (FOLDER / name).write_text(text, "utf-8")
    for name, svg in drawings.items():
        (FOLDER / f"{name}.svg").write_text(svg, "utf-8")
    try:
        import resvg_py
    except ModuleNotFoundError:
        click.echo(f"the PNGs are unchanged; to draw them: {install_command(['pictures'])}", err=True)
        sys.exit(1)
    for name, svg in drawings.items():
        png = resvg_py.svg_to_bytes(svg_string=svg, zoom=2, font_family="DejaVu Sans Mono")
        (FOLDER / f"{name}.png").write_bytes(bytes(png))
    click.echo(f"{len(drawings)} views and the moving picture in {FOLDER}")


if __name__ == "__main__":
    main()

"""Frames of random screens through the display stage, compared cell by cell with what was meant."""

import os
import random
from functools import lru_cache
from typing import NamedTuple

from tests.support.console.terminals.random_screens import Painted, RandomScreen, paint
from tests.support.console.terminals.terminal_model import OPINIONS, Seen, TerminalModel
from tui.display.cells import Terminal
from tui.display.stage import SYNC_END, SYNC_START, Stage

FRAMES = int(os.environ.get("STREAMTOP_DISPLAY_FRAMES", "5000"))
FIRST_SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "0"))
FRAMES_A_SEED = 50


class Kind(NamedTuple):
    """A kind of terminal."""

    opinion: str
    erases_in_colour: bool
    width: int = 0

    def model(self, height: int) -> TerminalModel:
        return TerminalModel(self.width, height, OPINIONS[self.opinion], erases_in_colour=self.erases_in_colour)


@lru_cache(4096)
def seen_alone(cells: tuple[Painted, ...], terminal: Kind) -> list[Seen]:
    """What a terminal shows of a line that is painted afresh, over blanks in the colour of its end."""
    alone = terminal.model(1)
    background = [part for part in (cells[-1][2].partition("48;")[1:],) if part[0]]
    blank = f"\x1b[{''.join(background[0])}m" if background else "\x1b[44m" if "44" in cells[-1][2].split(";") else ""
    alone.write(f"{blank}\x1b[K\x1b[m\x1b[1;1H{paint(list(cells))}")
    return list(alone.seen_line(0))


def assert_shown(terminal: TerminalModel, screen: RandomScreen, kind: Kind, what: str) -> None:
    kind = kind._replace(width=screen.width)
    for y, row in enumerate(screen.rows):
        expected = seen_alone(tuple(row), kind)
        assert list(terminal.seen_line(y)) == expected, f"{what}, line {y}"


def run_frames(seed: int, kind: Kind, *, frames: int) -> None:
    """Random frames through a stage to a terminal: after each one every cell must be as it was meant."""
    chance = random.Random(seed)
    screen = RandomScreen(seed)
    known = Terminal(kind.erases_in_colour, ambiguous_is_narrow=kind.opinion != "ambiguous is wide" and seed % 2 == 0)
    stage = Stage(screen.width, screen.height, known)
    terminal = kind._replace(width=screen.width).model(screen.height)
    synchronized = chance.random() < 0.5
    frame = screen.full_frame()
    for number in range(frames):
        what = f"seed {seed}, frame {number}"
        for part in (SYNC_START, frame, SYNC_END) if synchronized else (frame,):
            terminal.write(stage.receive(part))
        assert_shown(terminal, screen, kind, what)
        again = stage.receive(screen.full_frame())
        assert len(again) <= len("\x1b[12;3H"), f"{what}: the same screen costs no more than a move of the cursor"
        terminal.write(again)
        event = chance.random()
        frame = screen.next_frame()
        if event < 0.02:
            screen.resize(chance.randint(12, 50), chance.randint(4, 12))
            terminal.resize(screen.width, screen.height)
            stage.resize(screen.width, screen.height)
            frame = screen.full_frame()
        elif event < 0.04:
            terminal.write("\x1b[?1049h\x1b[35;1mnot ours\x1b[1;1H")
            stage.forget()
        elif event < 0.06:
            terminal.write(stage.receive("\x1b[?1049h"))
            terminal.write("\x1b[2J")
        elif event < 0.1:
            terminal.write(stage.receive("\x07\x1b]0;title\x07\x1b]52;c;aGk=\x07"))

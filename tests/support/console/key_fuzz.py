"""Random keys in single writes, random sizes and random answers, for a console in a real pseudo-terminal.

A round has a seed: the same seed writes the same keys, sizes and kinds of answers. When the answers arrive differs.
"""

import asyncio
import os
import re
import shutil
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import msgspec

from streamusage.service.server import run_service
from streamusage.service.store.engines.sqlite import sqlite_url
from tests.support.console.faulty_service import WEATHERS, FaultyService
from tests.support.console.frozen_service import NOW, TOKENS, FrozenClock
from tests.support.console.terminals.pty_session import PtySession
from tests.support.console.watched_console import HandledKey
from tests.support.program import Program
from tests.support.waiting import LONGEST_WAIT_S

STEPS_A_ROUND = 500
ENDED_BY_SIGTERM = 143
MOST_UNHANDLED = 40
"""Keys that may wait in the console while more are written."""
FRAMES_A_SECOND = os.environ.get("STREAMTOP_KEY_FPS", "10")
"""Frames of the console, which draws 240 a second else: most of its processor time. Keys do not wait for frames."""
LETTERS = "abcdegilmnorstuvyDGHJLNSYCE0123 .,<>=()*-+"
"""Characters that are typed one by one; q is rare: it begins another console."""
ATOMS = (
    *("/", "/", ":", ":", "?", "\x1b", "\x1b", "\x1b", "\r", "\r", "\t", "\x7f"),
    *("\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[5~", "\x1b[6~", "\x1b[H", "\x1b[F", "\x1b[1;2B", "\x0c"),
    *("g", "y", "s", "r", "r", "u", "J", "c", "p", " ", "j", "k", "h", "l", "n", "N", "d", "D"),
    *("/dy", "/quality", "/live\r", ":sort total\r", ":error\r", ":refresh\r", ":journal\r", ":journal\r\r", ":undo\r"),
    *(":mark shown\r", ":delete everything\r", ":clear marks\r", ":gaps\r", ":days\r", ":servers\r", ":jump 3m\r"),
    *("d\x1b[C\r", "2\t\t\r", "live/stage-1\t\t\r"),
    *("\x1b[200~keynote\x1b[201~", "\x1b[200~dyq\x1b[201~", "\x1b[I", "\x1b[O"),
)
TO_THE_TABLE = "\x1b\x1b\x1b\x1b"
DELETES = (
    *("d", "D", "d\x1b[C", "d\x1b[C\r", "d\x1b[C\r\r", "d\x1b[C\r\x1b", "d\t\r", "dy\r", "  d2\t\t\r", "  d2\r\r"),
    *("Dlive/stage-1\r\r", "Dlive/room1/keynote\r\r", "D\r\r", "u", ":undo\r", ":journal\r", ":journal\r\r"),
)
"""Keys of deletes and restores, some of them complete."""
NAMES = {
    "\x1b": "escape", "\r": "enter", "\t": "tab", "\x7f": "backspace", "\x0c": "ctrl+l", " ": "space",
    "\x1b[A": "up", "\x1b[B": "down", "\x1b[C": "right", "\x1b[D": "left", "\x1b[5~": "pageup", "\x1b[6~": "pagedown",
    "\x1b[H": "home", "\x1b[F": "end", "\x1b[1;2B": "shift+down", "\x1b[I": "", "\x1b[O": "",
    "/": "slash", ":": "colon", "?": "question_mark", ".": "full_stop", ",": "comma", "<": "less_than_sign",
    ">": "greater_than_sign", "=": "equals_sign", "(": "left_parenthesis", ")": "right_parenthesis", "*": "asterisk",
    "-": "minus", "+": "plus",
}  # fmt: skip
"""Textual's names of what is typed; reports of the terminal's focus are no keys."""
_ONE_KEY = re.compile(r"\x1b\[200~.*?\x1b\[201~|\x1b\[[\d;]*[A-Za-z~]|.", re.DOTALL)


def key_names(typed: str) -> list[str]:
    """Return the names of the keys that are typed."""
    found = _ONE_KEY.findall(typed)
    return [name for key in found if (name := "paste" if key.startswith("\x1b[200~") else NAMES.get(key, key))]


class Round:
    """One console after another over one service, until the steps of a seed are done."""

    def __init__(self, seed: int, store: Path, folder: Path) -> None:
        self.seed, self._folder, self._store = seed, folder, store
        self._random = Random(seed)
        self.history: list[str] = []
        """The steps so far."""
        self._typed: list[str] = []
        self._ends_with_escape = False
        """Whether the newest write ended with Escape."""
        self._handled: list[HandledKey] = []
        self._allowed: Counter[tuple[str, str, int]] = Counter()
        self._dialogs: set[int] = set()
        self._deletes = 0
        self.confirmed = 0
        """Deletes that were confirmed and received."""

    async def run(self, steps: int) -> None:
        """Run the steps. Raises `AssertionError` with the seed and the last steps."""
        self._folder.mkdir()
        shutil.copy(self._store, self._folder / "usage.db")
        clock = FrozenClock()
        clock.now = NOW
        async with (
            run_service(store_url=sqlite_url(self._folder / "usage.db"), tokens=TOKENS, clock=clock) as running,
            FaultyService(running.url, Random(self.seed + 1)) as service,
        ):
            self._service = service
            while len(self.history) < steps:
                try:
                    await self._run_console(steps)
                except AssertionError as error:
                    last = "\n".join(self.history[-40:])
                    raise AssertionError(f"{error}\nseed {self.seed}, {len(self.history)} steps:\n{last}") from None
            self.confirmed = self._deletes

    async def _run_console(self, steps: int) -> None:
        home = self._folder / f"home{len(self.history)}"
        home.mkdir()
        program = Program(home)
        self._log = (home / "keys").open("a+b")
        self._typed, self._handled, self._incomplete = [], [], b""
        program.secret("admin-token")
        program.configure(
            f'[profiles.fuzz]\nurl = "{self._service.url}"\ntoken_file = "{home}/token"\npoll_interval = 1.0'
        )
        options = ["--profile", "fuzz"]
        command = [sys.executable, "-m", "tests.support.console.watched_console", str(home / "keys"), *options]
        environment = program.environment | {"TERM": "xterm-256color", "TEXTUAL_FPS": FRAMES_A_SECOND}
        async with AsyncExitStack() as stack:
            terminal = stack.enter_context(PtySession(command, environment, home))
            stack.callback(self._log.close)
            await self._wait(terminal, lambda: b"[?1049h" in terminal.written and b"streamtop" in terminal.written)
            while len(self.history) < steps and terminal.process.poll() is None:
                self._step(terminal)
                allowed = 0 if self._random.random() < 0.25 else MOST_UNHANDLED
                await self._wait(terminal, lambda most=allowed: len(self._typed) - len(self._handled) <= most)
            await self._wait(terminal, lambda: len(self._typed) == len(self._handled))
            if terminal.process.poll() is None:
                terminal.process.terminate()
            await self._wait(terminal, lambda: terminal.process.poll() is not None)
            self._check_end(terminal)

    def _step(self, terminal: PtySession) -> None:
        random, kind = self._random, self._random.random()
        if kind < 0.06:
            columns, lines = random.choice([(60, 14), (60, 14), (80, 24), (40, 10), (20, 5), (120, 30)])
            self.history.append(f"size {columns}x{lines}")
            terminal.resize(columns, lines)
        elif kind < 0.14:
            self._service.weather = random.choice(WEATHERS) if random.random() < 0.5 else WEATHERS[0]
            self.history.append(f"answers {self._service.weather}")
        else:
            atoms = [
                random.choice(ATOMS if random.random() < 0.4 else LETTERS) for _ in range(random.choice((1, 1, 2)))
            ]
            typed = "".join(atoms) if random.random() < 0.99 else "q"
            if kind < 0.2:
                typed = TO_THE_TABLE + random.choice(DELETES) + typed
            # Escape and these are other keys in one write, and in two that a busy machine reads at once.
            unread = "\x1b" if self._ends_with_escape else ""
            typed = re.sub(r"(\x1b)(?=[O\t\x7f])", r"\1 ", unread + typed)[len(unread) :]
            self._ends_with_escape = typed.endswith("\x1b")
            self.history.append(f"keys {typed!r}")
            self._typed += key_names(typed)
            terminal.press(typed.encode())

    async def _wait(self, terminal: PtySession, is_over: object) -> None:
        ends_at = time.monotonic() + LONGEST_WAIT_S
        while True:
            terminal.read_written()
            self._read_log()
            if is_over() or terminal.process.poll() is not None:  # type: ignore[operator]
                return
            if time.monotonic() > ends_at:
                unhandled = self._typed[len(self._handled) :]
                raise AssertionError(f"keys were not handled: {unhandled}\n" + "\n".join(terminal.screen))
            await asyncio.sleep(0.01)

    def _read_log(self) -> None:
        *lines, self._incomplete = (self._incomplete + self._log.read()).split(b"\n")
        for line in lines:
            self._handled.append(handled := msgspec.json.decode(line, type=HandledKey))
            number = len(self._handled)
            assert not handled.faults, f"key {number}, {handled.key}: the one before it failed: {handled.faults}"
            typed = self._typed[number - 1 : number]
            assert typed == [handled.key], f"key {number} is {typed}, and was handled as {handled}"
            if handled.confirms is not None and handled.confirms.dialog not in self._dialogs:
                self._dialogs.add(handled.confirms.dialog)
                self._allowed.update(handled.confirms.keys)
        service = self._service
        assert not service.strange_deletes, f"deletes of no session: {service.strange_deletes}"
        while self._deletes < len(service.deletes):
            deleted = service.deletes[self._deletes]
            self._deletes += 1
            assert self._allowed[deleted] > 0, f"{deleted} was deleted, and no dialog about it was confirmed"
            self._allowed[deleted] -= 1

    def _check_end(self, terminal: PtySession) -> None:
        terminal.read_written()
        self._read_log()
        code = terminal.process.returncode
        has_quit = bool(self._handled) and self._handled[-1].quits
        end = bytes(terminal.written[-3000:]).decode("utf-8", "replace")
        assert code == (0 if has_quit else ENDED_BY_SIGTERM), f"the console ended with {code}: {end}"
        assert b"Traceback" not in terminal.written, end
        terminal.assert_restored()

"""Recordings and incident bundles: those that a test writes, and what a console shows of them."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from textual.pilot import Pilot

from tests.support.console.pilot import screen_text, wait_for
from tui.app.console_app import ConsoleApp
from tui.recording.recording import TAPE_IN_BUNDLE, RecordedPoll
from tui.screens.days import DaysScreen
from tui.screens.gaps import GapsScreen


def write_tape(path: Path, polls: Iterable[RecordedPoll]) -> Path:
    """Write a recording."""
    path.write_bytes(_encoded(polls))
    return path


def write_bundle(path: Path, polls: Iterable[RecordedPoll]) -> Path:
    """Write an incident bundle that holds nothing but a recording."""
    content = _encoded(polls)
    member = tarfile.TarInfo(TAPE_IN_BUNDLE)
    member.size = len(content)
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(member, io.BytesIO(content))
    return path


async def gaps_and_days(app: ConsoleApp, pilot: Pilot[Any]) -> tuple[dict[str, Any], list[Any]]:
    """Open the gap view and the days view; return the servers' spans and the days of the month."""
    await pilot.press("g")
    await wait_for(pilot, lambda: isinstance(app.screen, GapsScreen), "the gap view")
    gaps = app.screen
    assert isinstance(gaps, GapsScreen)
    await wait_for(pilot, lambda: gaps.book.servers, "the coverage")
    await pilot.press("escape", "y")
    await wait_for(pilot, lambda: isinstance(app.screen, DaysScreen), "the days view")
    days = app.screen
    assert isinstance(days, DaysScreen)
    await wait_for(pilot, lambda: days._servers._month is not None and days._servers._month.days, "the month")
    assert days._servers._month is not None
    await pilot.press("enter")
    await wait_for(pilot, lambda: days.opened is not None and days._rows(), "the servers of a day")
    await pilot.press("escape", "escape")
    spans = {name: [(span.from_ms, span.state) for span in line.spans] for name, line in gaps.book.servers.items()}
    return spans, list(days._servers._month.days)


async def save_bundle(app: ConsoleApp, pilot: Pilot[Any], file: Path) -> Path:
    """Save an incident bundle by the console."""
    app.save_bundle(str(file))
    await wait_for(pilot, file.exists, "the bundle")
    await wait_for(pilot, lambda: "wrote an incident bundle" in screen_text(app), "the notice")
    return file


def _encoded(polls: Iterable[RecordedPoll]) -> bytes:
    return b"".join(msgspec.json.encode(poll) + b"\n" for poll in polls)

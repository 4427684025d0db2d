"""Writes a recording as a page and as an asciicast."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import click

from streamusage.core.atomic_file import write_atomically
from streamusage.core.exit_codes import ExitCode
from tui.app.headless_replay import KeysEndConsoleError, ScreenSettings, plan_steps, show_screens
from tui.commands.errors import CommandError
from tui.commands.replay.options import VIEW_KEYS, FileOptions, Size
from tui.commands.shell import counted, print_message
from tui.config.theme_names import ThemeName
from tui.display.cells import Line
from tui.model import formats
from tui.model.formats import time_text
from tui.model.redaction import redacted
from tui.model.text import sanitize
from tui.recording.asciicast import CastEncoder, CastEvent, encode_cast
from tui.recording.bundle_tape import clean_poll
from tui.recording.page.document import FilmedView, PageRecording, encode_page
from tui.recording.page.encoding import FrameEncoder
from tui.recording.page.marks import TimeMark, find_marks
from tui.recording.page.palette import Palette
from tui.recording.recording import RecordedPoll
from tui.styles.themes import DARK, THEMES


class ShownView(NamedTuple):
    """A view in the files, and the keys that open it from the sessions."""

    name: str
    keys: tuple[str, ...]


def write_files(
    file: Path, polls: list[RecordedPoll], options: FileOptions, from_ms: int, tz: ZoneInfo, theme: ThemeName
) -> None:
    """Write the files, each complete or not at all, readable for the user only. Raises `CommandError`.

    As in an incident bundle, what looks like a secret is replaced by `•••`.
    """
    polls = [clean_poll(poll, redacted) for poll in polls]
    from_ms, to_ms = _window(file, polls, options, from_ms, tz)
    name = sanitize(redacted(file.name))
    size = options.size or Size()
    settings = ScreenSettings(size.columns, size.lines, theme, tz, f"recording {name}")
    views = list(_views(polls, options))
    if options.html is None:
        del views[1:]
    ink, ground = _colours(theme)
    palette = Palette(ink, ground)
    cast = CastEncoder(size.columns, size.lines)
    encoders = [FrameEncoder(size.columns, size.lines, palette) for _ in views]
    steps = plan_steps(polls, from_ms, to_ms)
    bar = click.progressbar(  # on standard output there may be a pipe
        length=len(views) * len([step for step in steps if step.is_shown]),
        label="rendering",
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    )
    with bar:
        for view, encoder in zip(views, encoders, strict=True):

            def show(at_ms: int, lines: Sequence[Line], encoder: FrameEncoder = encoder) -> None:
                encoder.add(at_ms, lines)
                if encoder is encoders[0] and options.asciicast is not None:
                    cast.add(at_ms, lines)
                bar.update(1)

            try:
                asyncio.run(show_screens(polls, steps, view.keys, settings, show))
            except KeysEndConsoleError:
                raise CommandError(
                    f"the keys {' '.join(view.keys)} end the console; nothing was written; leave out the last of them",
                    ExitCode.USAGE,
                ) from None
    marks = find_marks(polls, from_ms, to_ms, tz)
    title = f"streamtop: {name}"
    if options.html is not None:
        recording = PageRecording(
            title=title,
            from_ms=from_ms,
            to_ms=to_ms,
            zone=tz.key,
            columns=size.columns,
            lines=size.lines,
            palette=palette.styles,
            marks=marks,
        )
        shown = [FilmedView(view.name, encoder.frames) for view, encoder in zip(views, encoders, strict=True)]
        _write(options.html, encode_page(recording, shown))
        frames = counted(sum(len(view.frames) for view in shown), "frame")
        names = ", ".join(view.name for view in views)
        print_message(f"wrote {options.html}: {names}; {frames}, {_period(from_ms, to_ms, tz)}; {_size(options.html)}")
    if options.asciicast is not None:
        content = encode_cast(cast, from_ms, to_ms, title=title, ink=ink, ground=ground, marks=map(_marker, marks))
        _write(options.asciicast, content)
        print_message(
            f"wrote {options.asciicast}: {views[0].name}, {_period(from_ms, to_ms, tz)}; {_size(options.asciicast)}"
        )


def _window(file: Path, polls: list[RecordedPoll], options: FileOptions, from_ms: int, tz: ZoneInfo) -> tuple[int, int]:
    """Return the time that the files show. Raises `CommandError`."""
    first, last = polls[0].at, max(poll.at for poll in polls)
    to_ms = last if options.to is None else options.to(polls[-1].at, tz)
    if from_ms > last or to_ms < first or from_ms > to_ms:
        raise CommandError(
            f"nothing of {file} is between {time_text(from_ms, tz)} and {time_text(to_ms, tz)}; nothing was written; "
            f"it has {time_text(first, tz)} to {time_text(last, tz)} ({tz.key})",
            ExitCode.USAGE,
        )
    return max(from_ms, first), min(to_ms, last)


def _views(polls: list[RecordedPoll], options: FileOptions) -> Iterator[ShownView]:
    if options.views or options.keys:
        names = list(dict.fromkeys(options.views))
    else:
        names = ["sessions"]
        names += ["gaps"] if any(poll.coverage is not None for poll in polls) else []
        names += ["days"] if any(poll.days is not None for poll in polls) else []
    for name in names:
        yield ShownView(name, VIEW_KEYS[name])
    for keys in options.keys:
        yield ShownView(" ".join(keys), keys)


def _colours(theme: ThemeName) -> tuple[str, str]:
    """Return the terminal's own colours, ink and ground: those of the theme, where it has any."""
    for known in (THEMES[theme], DARK):
        ink, ground = known.foreground or "", known.background or ""
        if ink.startswith("#") and ground.startswith("#"):
            return ink, ground
    raise ValueError("the dark theme has no colours of its own")


def _marker(mark: TimeMark) -> CastEvent:
    return CastEvent(mark.from_ms, "m", f"{mark.kind} {mark.text}")


def _period(from_ms: int, to_ms: int, tz: ZoneInfo) -> str:
    return f"{time_text(from_ms, tz)} to {time_text(to_ms, tz)}"


def _size(path: Path) -> str:
    return formats.traffic(path.stat().st_size)


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise CommandError(
            f"cannot write {path}: {error.strerror}; nothing was written there", ExitCode.FAILURE
        ) from None

"""The options of `streamtop replay` for files: a page, an asciicast, and what they show. Imports nothing heavy."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from streamusage.core.exit_codes import ExitCode
from streamusage.core.instants import AtNow
from streamusage.core.text import quote_input
from tui.commands.errors import CommandError
from tui.commands.instants import instant

VIEW_KEYS = {"sessions": (), "detail": ("enter",), "gaps": ("g",), "days": ("y",), "servers": ("s",)}
"""The views by name, and the keys that open each of them from the sessions."""
DEFAULT_COLUMNS, DEFAULT_LINES = 100, 30
_COLUMNS, _LINES = range(40, 301), range(12, 121)
_KEY = re.compile(r"(?:(?:ctrl|shift|alt)\+)*(?:[a-z][a-z0-9_]+|\S)")


class Size(NamedTuple):
    """The size of the console's screen, in cells."""

    columns: int = DEFAULT_COLUMNS
    lines: int = DEFAULT_LINES


class FileOptions(NamedTuple):
    """Which files are written, and what they show. It is false without any file."""

    html: Path | None
    asciicast: Path | None
    to: AtNow | None
    size: Size | None
    views: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    replaces: bool

    def __bool__(self) -> bool:
        return bool(self.targets)

    @property
    def targets(self) -> list[Path]:
        """The files."""
        return [path for path in (self.html, self.asciicast) if path is not None]

    def check(self, recording: Path) -> None:
        """Check what can be checked before anything is read. Raises `CommandError` and `click.UsageError`."""
        if not self:
            given = {
                "--to": self.to,
                "--size": self.size,
                "--view": self.views,
                "--keys": self.keys,
                "--replace": self.replaces,
            }
            if wrong := [name for name, value in given.items() if value]:
                raise click.UsageError(f"{wrong[0]} is for the files of --html and --asciicast; give one of them")
        if len(self.targets) == 2 and _is_same(*self.targets):
            raise click.UsageError(f"--html and --asciicast both name {self.html}; nothing was written")
        for path in self.targets:
            if _is_same(path, recording):
                raise CommandError(
                    f"{path} is the recording itself; nothing was written; give another file", ExitCode.USAGE
                )
            if path.is_dir():
                raise CommandError(f"{path} is a folder; nothing was written; give a file in it", ExitCode.USAGE)
            if path.exists() and not self.replaces:
                raise CommandError(
                    f"{path} exists; nothing was written; give another file, or --replace", ExitCode.FAILURE
                )
            if not path.absolute().parent.is_dir():
                raise CommandError(f"{path.parent} is not a folder; nothing was written", ExitCode.FAILURE)


def _is_same(path: Path, other: Path) -> bool:
    return path.expanduser().resolve() == other.expanduser().resolve()


def _size(text: str) -> Size:
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text.strip().lower())
    size = Size(*map(int, found.groups())) if found else None
    if size is None or size.columns not in _COLUMNS or size.lines not in _LINES:
        raise click.BadParameter(
            f"{quote_input(text)} is not a size of 40x12 to 300x120 cells; expected columns and lines, such as 100x30"
        )
    return size


def _keys(text: str) -> tuple[str, ...]:
    keys = tuple(text.split())
    if not keys:
        raise click.BadParameter("no key; expected keys with blanks between them, such as 'g N enter'")
    for key in keys:
        if not _KEY.fullmatch(key):
            raise click.BadParameter(
                f"{quote_input(key)} is not a key; expected characters and names of keys such as enter, tab, "
                "escape, space, down and shift+tab, with blanks between them"
            )
    return keys


def file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which receives them as `files`."""

    @functools.wraps(command)
    def with_files(
        *,
        html: Path | None,
        asciicast: Path | None,
        end: AtNow | None,
        size: Size | None,
        view: tuple[str, ...],
        keys: tuple[tuple[str, ...], ...],
        replace: bool,
        **others: Any,
    ) -> Any:
        return command(files=FileOptions(html, asciicast, end, size, view, keys, replace), **others)

    path = click.Path(path_type=Path)
    added: Callable[..., Any] = with_files
    for option in reversed(
        (
            click.option("--html", metavar="FILE", type=path, help="Write a page that plays in any browser."),
            click.option(
                "--asciicast", metavar="FILE", type=path, help="Write an asciicast of the first view, version 2."
            ),
            click.option("--to", "end", type=instant, metavar="WHEN", help="End of the files. [default: the end]"),
            click.option(
                "--view",
                type=click.Choice(list(VIEW_KEYS)),
                multiple=True,
                help="A view of the files; may be repeated. [default: sessions; gaps and days if recorded]",
            ),
            click.option(
                "--keys",
                type=_keys,
                multiple=True,
                metavar="KEYS",
                help="One more view: what these keys open, such as 'g N enter'; may be repeated.",
            ),
            click.option(
                "--size",
                type=_size,
                metavar="COLUMNSxLINES",
                help=f"Size of the console in the files. [default: {DEFAULT_COLUMNS}x{DEFAULT_LINES}]",
            ),
            click.option("--replace", is_flag=True, help="Replace files that exist, when the new ones are complete."),
        )
    ):
        added = option(added)
    return added

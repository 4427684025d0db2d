"""`--watch`: prints a listing again and again. On a terminal it redraws in place; elsewhere it appends.

A failed request does not end it: the last rows stay, with their age and the error.
"""

import shutil
import sys
import time
from collections.abc import Callable
from itertools import islice
from typing import TypeVar

import click
import msgspec

from streamusage.core.exit_codes import ExitCode
from tui.commands.errors import CommandError
from tui.commands.listing.options import ListedRows
from tui.commands.listing.screen import Key, WatchScreen
from tui.commands.listing.show import column_error, notes
from tui.model import formats
from tui.model.text import clipped, sanitize
from tui.output import ColumnError, Format, Printing
from tui.output.printer import encoding_of, lay_out, write_blocks

Row = TypeVar("Row")


def watch(read: Callable[[], ListedRows[Row]], printing: Printing, interval_ms: int) -> None:
    """Print what `read` returns every `interval_ms`, until ctrl+c. Raises `CommandError`.

    The first request must succeed: its error is wrong usage more often than an outage.
    """
    found = read()
    try:
        if sys.stdout.isatty() and sys.stdin.isatty():
            _redraw(found, read, printing, interval_ms)
        else:
            _append(found, read, printing, interval_ms)
    except ColumnError as error:
        raise column_error(error) from None
    except KeyboardInterrupt:
        raise click.Abort from None


def _append(found: ListedRows[Row], read: Callable[[], ListedRows[Row]], printing: Printing, interval_ms: int) -> None:
    """Append the rows to standard output. CSV has one line of titles; each table has its time before it."""
    if printing.format is Format.JSON:
        raise CommandError(
            "--watch without a terminal prints many lists, which are no JSON document; give --format ndjson",
            ExitCode.USAGE,
        )
    while True:
        lines = lay_out(found.rows, found.view, printing).lines
        if printing.format is Format.TABLE:
            stamp = f"{formats.time_text(_now_ms(), found.view.tz)} ({found.view.tz.key})\n"
            lines = [stamp, *lines, "\n"]
        write_blocks(lines, sys.stdout.buffer, encoding_of(printing.format))
        if printing.format is Format.CSV:
            printing = msgspec.structs.replace(printing, headers=False)
        if found.failure is not None:
            raise found.failure
        time.sleep(interval_ms / 1000)
        try:
            found = read()
        except CommandError as error:
            if error.exit_code is not ExitCode.UNAVAILABLE:
                raise
            click.echo(sanitize(f"streamtop: {error}; trying again"), err=True)


def _redraw(found: ListedRows[Row], read: Callable[[], ListedRows[Row]], printing: Printing, interval_ms: int) -> None:
    command = click.get_current_context().command_path
    error, read_at_ms, is_stopped = "", _now_ms(), False
    with WatchScreen() as screen:
        while found.failure is None and not is_stopped:
            screen.draw(_lines(found, printing, command, interval_ms, read_at_ms, error))
            until = time.monotonic() + interval_ms / 1000
            while (key := screen.wait(until - time.monotonic())) is Key.REDRAW:
                screen.draw(_lines(found, printing, command, interval_ms, read_at_ms, error))
            is_stopped = key is Key.QUIT
            if is_stopped:
                break
            try:
                found, error, read_at_ms = read(), "", _now_ms()
            except CommandError as failure:
                if failure.exit_code is not ExitCode.UNAVAILABLE:
                    raise
                error = str(failure)
    if found.failure is not None:
        raise found.failure


def _lines(
    found: ListedRows[Row], printing: Printing, command: str, interval_ms: int, read_at_ms: int, error: str
) -> list[str]:
    """Return the lines of the screen: a title, the rows that fit, and the messages below them."""
    size = shutil.get_terminal_size()
    printed = lay_out(found.rows, found.view, printing, cells=size.columns, only_visible=True)
    messages = notes(found, printed)
    if error:
        age = formats.age(max(0, _now_ms() - read_at_ms))
        messages.insert(0, f"▲ {error}; rows of {age} ago, trying again")
    every = f"{interval_ms / 1000:g} s"
    clock = formats.clock_time(read_at_ms, found.view.tz, seconds=True)
    title = f"{command}  {clock} ({found.view.tz.key})  every {every}, q quits"
    below = [clipped(sanitize(message), size.columns) for message in messages][: max(1, size.lines - 4)]
    room = max(1, size.lines - 2 - len(below))
    rows = [line.rstrip("\n") for line in islice(printed.lines, room + 1)]
    if len(rows) > room:
        hidden = len(printed.rows) - (room - 1 - (1 if _has_title(printing) else 0))
        rows = [*rows[: room - 1], f"… {hidden:,} more; --limit and --sort choose"]
    return [clipped(title, size.columns), *rows, "", *below]


def _has_title(printing: Printing) -> bool:
    return printing.headers and printing.format in (Format.TABLE, Format.CSV)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

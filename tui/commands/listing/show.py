"""Prints what a listing command found, once or again and again."""

from collections.abc import Callable
from typing import TypeVar

import click

from tui.commands.connecting import print_message
from tui.commands.listing.options import ListedRows, ListingOptions
from tui.output import ColumnError
from tui.output.printer import Printed, print_rows

Row = TypeVar("Row")


def show(read: Callable[[], ListedRows[Row]], options: ListingOptions) -> None:
    """Print what `read` returns, with `--watch` until it is stopped. Raises the failure of the listing at its end."""
    if options.watch_ms is not None:
        from tui.commands.listing.watch import watch

        watch(read, options.printing, options.watch_ms)
        return
    found = read()
    try:
        printed = print_rows(found.rows, found.view, options.printing)
    except ColumnError as error:
        raise column_error(error) from None
    for message in notes(found, printed):
        print_message(message)
    if found.failure is not None:
        raise found.failure


def notes(found: ListedRows[Row], printed: Printed[Row]) -> list[str]:
    """Return the messages of a listing, with what a limit or a narrow terminal leaves out."""
    messages = list(found.messages)
    if len(printed.rows) < len(found.rows):
        messages.append(f"--limit: {len(printed.rows):,} of {len(found.rows):,} rows printed")
    if printed.left_out:
        left_out = ", ".join(printed.left_out)
        messages.append(f"too narrow for {left_out}; --columns selects")
    return messages


def column_error(error: ColumnError) -> click.UsageError:
    """Return the error that ends a command for an unknown column."""
    return click.UsageError(f"{error}; nothing was printed", click.get_current_context())

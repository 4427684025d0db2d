"""The options of listing commands, and the value that a command receives for them."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Generic, TypeVar

import click
import msgspec
from click.shell_completion import CompletionItem

from streamusage.command_help import OptionalValueOption
from streamusage.command_options import Duration
from streamusage.core.durations import DurationError, parse_duration_ms
from tui.commands.errors import CommandError
from tui.output import Format, Printing, View

Row = TypeVar("Row")

TOML = "toml"
DEFAULT_WATCH = "2s"
SHORTEST_WATCH = "500ms"
LISTING_OPTIONS = ("--format", "--columns", "--sort", "--no-headers", "--limit", "--watch")
"""What every listing command has."""


class ListedRows(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """What a listing command found: rows, their view, messages for the operator, and a failure to end with."""

    rows: Sequence[Row]
    view: View[Row]
    messages: Sequence[str] = ()
    failure: CommandError | None = None


class ListingOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a listing command prints, and how often."""

    printing: Printing
    watch_ms: int | None = None
    """The interval of `--watch`; `None` to print once."""
    is_toml: bool = False
    """Whether the command prints a TOML file in place of a list."""
    given: tuple[str, ...] = ()
    """Names of the options that the command line has."""


class _ColumnNames(click.ParamType[tuple[str, ...]]):
    """Names of columns with commas between. `view` returns the view of no rows, for completion and help."""

    name = "columns"

    def __init__(self, view: Callable[[], View[Any]] | None, *, is_sort: bool = False) -> None:
        self._view = view
        self._is_sort = is_sort

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the names of the text; fail for an empty one."""
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in value.split(","))
        if not all(name.removeprefix("-") for name in names):
            example = "--sort -active,stream" if self._is_sort else "--columns stream,active"
            self.fail(f"{value!r} has an empty name; write names with commas between, such as {example}", param, ctx)
        return names

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that continue the last one of the list."""
        if self._view is None:
            return []
        before, comma, last = incomplete.rpartition(",")
        minus = "-" if self._is_sort and last.startswith("-") else ""
        given = {name.removeprefix("-") for name in before.split(",")}
        return [
            CompletionItem(f"{before}{comma}{minus}{name}")
            for name in self._view().names()
            if name.startswith(last.removeprefix("-")) and name not in given
        ]


class _ColumnsOption(click.Option):
    """`--columns`, whose help names the columns."""

    def __init__(self, *arguments: Any, view: Callable[[], View[Any]] | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._view = view

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the help with the names of the columns."""
        record = super().get_help_record(ctx)
        if record is None or self._view is None:
            return record
        return record[0], f"{record[1]} Of: {', '.join(self._view().names())}."


class _Limit(click.ParamType[int]):
    """A number of rows, from 1 on."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; fail for 0, which would print nothing, and for what is no number."""
        text = str(value)
        if text.isascii() and text.isdecimal() and int(text) > 0:
            return int(text)
        nothing = " would print no row" if text.strip("0") == "" else " is no number of rows"
        self.fail(f"{value!r}{nothing}; give 1 or more, or leave --limit out for all rows", param, ctx)


def _is_duration(text: str) -> bool:
    try:
        parse_duration_ms(text, default_unit="s")
    except DurationError:
        return False
    return True


def listing_options(
    view: Callable[[], View[Any]] | None = None, *, watch: bool = True, toml: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of a listing command, which receives `listing`, a `ListingOptions`.

    `view` returns the view of no rows, whose columns help and completion name. Without `watch`, the command has no
    `--watch`: its rows do not change. With `toml`, it prints a TOML file by default.
    """
    options = [
        click.option(
            "--format",
            "output_format",
            type=click.Choice([*([TOML] if toml else []), *(known.value for known in Format)]),
            default=TOML if toml else Format.TABLE.value,
            show_default=True,
            help="How to print the results.",
        ),
        click.option(
            "--columns",
            "listing_columns",
            cls=_ColumnsOption,
            view=view,
            type=_ColumnNames(view),
            metavar="NAME,…",
            help="Only these columns, in this order; also in CSV and JSON.",
        ),
        click.option(
            "--sort",
            "listing_sort",
            type=_ColumnNames(view, is_sort=True),
            metavar="NAME,…",
            help="Sort by these columns; -NAME sorts the largest first. Unknown values are last.",
        ),
        click.option("--no-headers", is_flag=True, help="Without the line of titles: for table and CSV."),
        click.option("--limit", type=_Limit(), metavar="N", help="Print the first N rows only, after sorting."),
    ]
    if watch:
        options.append(
            click.option(
                "--watch",
                cls=OptionalValueOption,
                accepts=_is_duration,
                is_flag=False,
                flag_value=DEFAULT_WATCH,
                type=Duration(default_unit="s", shortest=SHORTEST_WATCH, longest="24h"),
                metavar="[TIME]",
                help=f"Print again and again, every {DEFAULT_WATCH} or TIME, such as 10s, until ctrl+c or q.",
            )
        )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_listing(**given: Any) -> Any:
            parts = {name: given.pop(name) for name in _PARAMETERS if name in given}
            return command(listing=_options(**parts), **given)

        decorated: Callable[..., Any] = with_listing
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return add


_PARAMETERS = ("output_format", "listing_columns", "listing_sort", "no_headers", "limit", "watch")


def _options(
    output_format: str,
    listing_columns: tuple[str, ...] | None,
    listing_sort: tuple[str, ...] | None,
    no_headers: bool,
    limit: int | None,
    watch: int | None = None,
) -> ListingOptions:
    kind = Format.TABLE if output_format == TOML else Format(output_format)
    if no_headers and kind in (Format.JSON, Format.NDJSON):
        raise click.UsageError(f"--no-headers is for table and csv: {kind} has no line of titles")
    given = {
        "--columns": listing_columns,
        "--sort": listing_sort,
        "--no-headers": no_headers,
        "--limit": limit,
        "--watch": watch,
    }
    return ListingOptions(
        printing=Printing(kind, listing_columns or (), listing_sort or (), not no_headers, limit),
        watch_ms=watch,
        is_toml=output_format == TOML,
        given=tuple(name for name, value in given.items() if value),
    )

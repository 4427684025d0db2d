"""Commands and groups whose `--help` ends with their exit codes, and which suggest a command for a mistyped one."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import wraps
from typing import Any

import click
from click.core import ParameterSource

from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCodes


class HelpfulCommand(click.Command):
    """A command with exit codes in its help: by default those of a client command."""

    def __init__(self, *arguments: Any, exit_codes: ExitCodes = CLIENT_EXIT_CODES, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.exit_codes = exit_codes

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes and the epilog into the help."""
        write_exit_codes(self.exit_codes, formatter)
        super().format_epilog(ctx, formatter)


class HelpfulGroup(click.Group):
    """A group with exit codes in its help. Its own callback runs only without a subcommand.

    An option before a subcommand is refused, because it would have no effect; with `inherit`, it applies to the
    subcommand instead, if that has an option of the same name.
    """

    command_class = HelpfulCommand

    def __init__(
        self,
        *arguments: Any,
        exit_codes: ExitCodes = CLIENT_EXIT_CODES,
        inherit: bool = False,
        callback: Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, callback=callback and _unless_subcommand(callback), **options)
        self.exit_codes = exit_codes
        self.inherit = inherit

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands, in the order of their declaration."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand that the arguments name. Raises `click.UsageError`."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            known = self.list_commands(ctx)
            close = " or ".join(get_close_matches(name, known))
            hint = f"did you mean {close}?" if close else f"choose from {', '.join(known)}"
            raise click.NoSuchCommand(name, f"unknown command {name!r}; {hint}", ctx=ctx)
        given = list(_given_options(ctx))
        if self.inherit:
            ctx.default_map = {name: {option.name: ctx.params[option.name] for option in given if option.name}}
        elif given:
            option = given[0].opts[0]
            raise click.UsageError(f"{option} is before {name}; write it after: {ctx.command_path} {name} {option} …")
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes and the epilog into the help."""
        write_exit_codes(self.exit_codes, formatter)
        super().format_epilog(ctx, formatter)


def write_exit_codes(codes: ExitCodes, formatter: click.HelpFormatter) -> None:
    """Write a section of exit codes and their meanings."""
    with formatter.section("Exit codes"):
        formatter.write_dl([(str(int(code)), meaning) for code, meaning in codes.items()])


def _given_options(ctx: click.Context) -> Iterator[click.Option]:
    """Yield the options of the command line that are not empty."""
    for option in ctx.command.params:
        if (
            isinstance(option, click.Option)
            and option.name
            and ctx.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
            and ctx.params.get(option.name)
        ):
            yield option


def _unless_subcommand(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def run(*arguments: Any, **options: Any) -> Any:
        if click.get_current_context().invoked_subcommand is None:
            return callback(*arguments, **options)
        return None

    return run

"""Commands and groups whose `--help` ends with their exit codes, and which suggest a command for a mistyped one.

A command whose extra is not installed has its help, and runs into `MissingExtraError`.
"""

from collections.abc import Callable, Collection, Iterator
from difflib import get_close_matches
from functools import wraps
from typing import IO, Any

import click
from click.core import ParameterSource

from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCode, ExitCodes
from streamusage.extras import describe_missing

HELP_OPTIONS = ("-h", "--help")
"""The names of the help option. Every command has them itself: click keeps those of the first context it meets."""


class MissingExtraError(click.ClickException):
    """The command needs an extra that is not installed. The text names it and how to install it."""

    exit_code = ExitCode.USAGE

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the text on stderr."""
        click.echo(f"streamtop: {self.format_message()}", file=file, err=file is None)


class OptionalValueOption(click.Option):
    """An option whose value may be left out: the next argument is its value only where `accepts` returns true.

    So `ls --watch keynote` watches a filter, and `ls --watch 10s keynote` with another interval.
    """

    def __init__(self, *arguments: Any, accepts: Callable[[str], bool], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.accepts = accepts


class HelpfulCommand(click.Command):
    """A command with exit codes in its help: by default those of a client command.

    `extras` are those that it needs, besides those of its groups.
    """

    def __init__(
        self,
        *arguments: Any,
        exit_codes: ExitCodes = CLIENT_EXIT_CODES,
        extras: Collection[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.context_settings.setdefault("help_option_names", HELP_OPTIONS)
        self.exit_codes = exit_codes
        self.extras = extras

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises `MissingExtraError` before it does anything."""
        require_extras(ctx)
        return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments of the command; return those that are left over."""
        return super().parse_args(ctx, _with_values(self, args))

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
        extras: Collection[str] = (),
        inherit: bool = False,
        callback: Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, callback=callback and _unless_subcommand(callback), **options)
        self.context_settings.setdefault("help_option_names", HELP_OPTIONS)
        self.exit_codes = exit_codes
        self.extras = extras
        self.inherit = inherit

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments of the group; return those of a subcommand."""
        return super().parse_args(ctx, _with_values(self, args))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands, in the order of their declaration."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand that the arguments name. Raises `click.UsageError`."""
        if ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
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


def require_extras(ctx: click.Context) -> None:
    """Raise `MissingExtraError` if the command, or one of its groups, needs an extra that is not installed."""
    groups = [ctx]
    while (parent := groups[-1].parent) is not None:
        groups.append(parent)
    needed = dict.fromkeys(extra for group in groups for extra in getattr(group.command, "extras", ()))
    if missing := describe_missing(ctx.command_path, needed):
        raise MissingExtraError(missing)


def _with_values(command: click.Command, args: list[str]) -> list[str]:
    """Return the arguments, with the default value of each option whose value was left out: `--watch=2s`."""
    optional = {
        name: option for option in command.params if isinstance(option, OptionalValueOption) for name in option.opts
    }
    given = list(args)
    for at, text in enumerate(args):
        if text == "--":
            break
        option = optional.get(text)
        if option is not None and not (at + 1 < len(args) and option.accepts(args[at + 1])):
            given[at] = f"{text}={option.flag_value}"
    return given


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
        ctx = click.get_current_context()
        if ctx.invoked_subcommand is None:
            require_extras(ctx)
            return callback(*arguments, **options)
        return None

    return run

"""Shared parts of the client commands: connection options, errors and messages.

Results go to standard output, messages to standard error. `streamusage.core.exit_codes` has the
exit codes.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from streamusage.client.errors import RequestError
from streamusage.client.usage_client import UsageClient
from streamusage.core.exit_codes import ExitCode
from streamusage.core.usage import EmptyNameError
from tui.commands.connecting import connect as connect
from tui.commands.connecting import print_message as print_message
from tui.commands.errors import CommandError
from tui.commands.flags import connection_flags
from tui.config.service_client import open_client
from tui.config.settings import ConnectionSettings, Flags
from tui.model.sessions.filter import IN_ONE_SERVICE, Filter, FilterError, parse
from tui.model.text import sanitize
from tui.output import Format

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def prompt_operator(question: str) -> str:
    """Return what the operator types after the question; empty if the terminal is closed instead."""
    click.echo(f"{sanitize(question)} ", err=True, nl=False)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        click.echo(err=True)
    return answer.strip()


def connection_options(
    command: Callable[Concatenate[ConnectionSettings, Arguments], None],
) -> Callable[..., None]:
    """Add the flags that select a service; the command receives the resulting `ConnectionSettings`."""

    @connection_flags
    @wraps(command)
    def with_connection(**given: Any) -> None:
        flags = Flags(**{flag: given.pop(flag) for flag in Flags.__struct_fields__ if flag in given})
        command(connect(flags), **given)  # type: ignore[call-arg]

    return with_connection


def format_option(
    *, default: Format | None = Format.TABLE, help: str = "How to print the results."
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--format` to a command. Without a default, results are printed only if it is given."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice([known.value for known in Format]),
        default=default and default.value,
        callback=lambda _context, _parameter, value: value and Format(value),
        show_default=default is not None,
        help=help,
    )


def read_filter(words: Sequence[str], unknown: Mapping[str, str] = IN_ONE_SERVICE) -> Filter:
    """Return the filter of all arguments; an error points at the position, also at a field that is unknown here."""
    try:
        return parse(" ".join(words), unknown)
    except FilterError as error:
        raise to_filter_error(error) from None


def to_filter_error(error: FilterError) -> CommandError:
    """Return the error that ends the command, with the filter and a mark below the position."""
    return CommandError(f"{error}\n  {sanitize(error.text)}\n{error.caret(2)}", ExitCode.USAGE)


def run_requests(connection: ConnectionSettings, conversation: Callable[[UsageClient], Awaitable[Result]]) -> Result:
    """Run requests with a client of the service. An error ends the command with its exit code."""

    async def held() -> Result:
        async with open_client(connection) as client:
            return await conversation(client)

    try:
        return asyncio.run(held())
    except (RequestError, EmptyNameError) as error:
        raise to_command_error(error, connection) from None


def to_command_error(error: Exception, connection: ConnectionSettings) -> CommandError:
    """Return the error that ends the command, with a hint for a service that was not chosen, or a missing token."""
    if isinstance(error, RequestError):
        return CommandError(f"{error}{_hint(error, connection)}", error.exit_code)
    return CommandError(str(error), ExitCode.USAGE if isinstance(error, EmptyNameError) else ExitCode.FAILURE)


def refuse_if_read_only(connection: ConnectionSettings, unchanged: str) -> None:
    """Raise `CommandError` if the profile is read-only."""
    if connection.read_only:
        raise CommandError(f"profile {connection.profile} is read-only: {unchanged}", ExitCode.REFUSED)


def counted(count: int, noun: str) -> str:
    """Return `1 session` or `1,204 sessions`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _hint(error: RequestError, connection: ConnectionSettings) -> str:
    if error.exit_code == ExitCode.REFUSED and connection.token is None and "token" in str(error):
        return "; no token was given: use --token-file or STREAMTOP_TOKEN"
    if error.exit_code == ExitCode.UNAVAILABLE and connection.url_from == "the default":
        return "; this is the default service: use --url, STREAMTOP_URL or a profile for another"
    return ""

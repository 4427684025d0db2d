"""What the client commands have in common: their connection options, how they end, and where words go.

Results go to standard output, words to standard error. How a command ends is told by its exit code: 0 done, 1 a fault
on this machine, 2 usage, 3 could not reach, 4 refused, 5 not found.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from streamusage.client.errors import InvalidAddressError, UsageApiError
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import EmptyNameError
from tui.commands.errors import REFUSED, USAGE, CommandError
from tui.commands.flags import CONNECTION_FLAGS, connection_flags
from tui.config.settings import ConnectionSettings, SettingsError, resolve
from tui.model.sessions.filter import Filter, FilterError, parse
from tui.model.text import safe
from tui.output import Format

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def say(words: str) -> None:
    """Words for the operator, apart from the results. What came from outside is made safe."""
    click.echo(safe(words), err=True)


def ask(question: str) -> str:
    """What the operator types after the question; empty where the terminal is closed instead."""
    click.echo(f"{safe(question)} ", err=True, nl=False)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        click.echo(err=True)
    return answer.strip()


def connection_options(
    command: Callable[Concatenate[ConnectionSettings, Arguments], None],
) -> Callable[..., None]:
    """Gives a command the flags that name a service, and calls it with the `ConnectionSettings` that they make."""

    @connection_flags
    @wraps(command)
    def with_connection(**given: Any) -> None:
        flags = {name: given.pop(name) for name in CONNECTION_FLAGS}
        command(connect(tz=given.pop("tz", None), **flags), **given)  # type: ignore[call-arg]

    return with_connection


def format_option(
    *, default: Format | None = Format.TABLE, help: str = "How to print the results."
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a command `--format`. Without a default, results are printed where it is given only."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice([known.value for known in Format]),
        default=default and default.value,
        callback=lambda _context, _parameter, value: value and Format(value),
        show_default=default is not None,
        help=help,
    )


def read_filter(words: Sequence[str]) -> Filter:
    """The filter that the arguments make together; a caret under them shows what cannot be read."""
    text = " ".join(words)
    try:
        return parse(text)
    except FilterError as error:
        shown = safe(text)
        raise CommandError(f"{error}\n  {shown}\n{error.caret(2)}", USAGE) from None


def connect(**flags: Any) -> ConnectionSettings:
    """The connection that the flags, the environment and `config.toml` make together."""
    try:
        return resolve(warn=lambda words: say(f"warning: {words}"), **flags)
    except SettingsError as error:
        raise CommandError(str(error), USAGE) from None


def talk(connection: ConnectionSettings, conversation: Callable[[UsageClient], Awaitable[Result]]) -> Result:
    """Holds one conversation with the service. What goes wrong ends the command with its exit code."""

    async def held() -> Result:
        token = connection.token.get_secret_value() if connection.token is not None else None
        async with UsageClient(connection.url, token, api_version=connection.api_version) as client:
            return await conversation(client)

    try:
        return asyncio.run(held())
    except UsageApiError as error:
        raise CommandError(f"{error}{_hint(error, connection)}", error.exit_code) from None
    except (InvalidAddressError, EmptyNameError) as error:
        raise CommandError(str(error), USAGE) from None


def refuse_if_read_only(connection: ConnectionSettings, unchanged: str) -> None:
    if connection.read_only:
        raise CommandError(f"profile {connection.profile} is read-only: {unchanged}", REFUSED)


def counted(count: int, noun: str) -> str:
    """`1 session`, `1,204 sessions`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _hint(error: UsageApiError, connection: ConnectionSettings) -> str:
    if error.exit_code == REFUSED and connection.token is None and "token" in str(error):
        return "; no token was given: use --token-file or STREAMTOP_TOKEN"
    if error.exit_code == 3 and connection.url_from == "the default":
        return "; no service was named, so this was the default: use --url, STREAMTOP_URL or a profile"
    return ""

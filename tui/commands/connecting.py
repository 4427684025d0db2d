"""From flags to settings, and messages for the operator. The console needs no more of `shell`, which prints results."""

import click

from streamusage.core.exit_codes import ExitCode
from tui.commands.errors import CommandError
from tui.config.settings import ConnectionSettings, Flags, SettingsError, resolve
from tui.config.several import resolve_services
from tui.model.text import sanitize


def print_message(words: str) -> None:
    """Print a message for the operator on standard error, sanitised."""
    click.echo(sanitize(words), err=True)


def connect(flags: Flags) -> ConnectionSettings:
    """Return the settings of the flags, the environment and `config.toml`."""
    try:
        return resolve(flags, warn=lambda words: print_message(f"warning: {words}"))
    except SettingsError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None


def connect_services(flags: Flags) -> ConnectionSettings:
    """Return the settings of one service, or of several: `--profile a,b,c`."""
    try:
        return resolve_services(flags, warn=lambda words: print_message(f"warning: {words}"))
    except SettingsError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None

"""`streamtop` without a command: the console, or its line mode."""

from pathlib import Path
from typing import Any

import click

from streamusage.core.exit_codes import ExitCode
from tui.app.actions import find_keymap_error
from tui.app.launch import Setup, run_console, run_plain, why_no_console
from tui.commands.errors import CommandError
from tui.commands.shell import connect, read_filter
from tui.config.settings import ConnectionSettings, config_path, load_config
from tui.recording.recording import RecordingError


def console(
    *,
    record: Path | None = None,
    plain: bool = False,
    filter_text: str | None = None,
    theme: str | None = None,
    **flags: Any,
) -> int:
    """Start the console or the line mode; returns the exit code."""
    connection = connect(**flags)
    setup = _setup(connection, theme)
    try:
        if plain:
            run_plain(setup, read_filter([filter_text or ""]), _write_line, record)
            return 0
        if filter_text is not None:
            raise click.UsageError("--filter needs --plain; in the console, type the filter after /")
        if why_not := why_no_console():
            raise CommandError(why_not, ExitCode.USAGE)

        def switch(profile: str) -> Setup:
            return _setup(connect(profile=profile, read_only=flags.get("read_only", False)), None)

        return run_console(setup, switch=switch, record=record)
    except RecordingError as error:
        raise CommandError(str(error), ExitCode.FAILURE) from None


def _setup(connection: ConnectionSettings, theme: str | None) -> Setup:
    config = load_config()
    if wrong := find_keymap_error(config.keys):
        raise CommandError(f"{config_path()}: keys: {wrong}", ExitCode.USAGE)
    return Setup(
        url=connection.url,
        token=connection.token.get_secret_value() if connection.token is not None else None,
        profile_name=connection.profile or "",
        api_version=connection.api_version,
        read_only=connection.read_only,
        poll_interval=connection.poll_interval_s,
        tz=connection.tz,
        alerts=connection.alerts,
        theme=theme or connection.theme,
        keymap=config.keys,
        profiles={name: profile.url for name, profile in config.profiles.items()},
    )


def _write_line(line: str) -> None:
    click.echo(line)

"""`streamtop` without a command: the console, or its line mode."""

from pathlib import Path
from typing import Any

import click

from streamusage.client.errors import InvalidAddressError
from streamusage.core.exit_codes import ExitCode
from tui.app.launch import run_console, run_plain, why_no_console
from tui.commands.connecting import connect_services
from tui.commands.errors import CommandError
from tui.commands.keymap import check_keymap
from tui.config.settings import ConnectionSettings, Flags, SettingsError
from tui.config.several import resolve_services
from tui.recording.errors import RecordingError


def console(
    *,
    record: Path | None = None,
    plain: bool = False,
    filter_text: str | None = None,
    summary: int | None = None,
    **given: Any,
) -> int:
    """Start the console or the line mode; returns the exit code. The other options are the fields of `Flags`."""
    flags = Flags(**given)
    settings = _console_settings(flags)
    try:
        if plain:
            from tui.app.line_mode import DEFAULT_SUMMARY_MS, TokenRefusedError
            from tui.commands.shell import read_filter, to_filter_error
            from tui.model.sessions.filter import IN_ONE_SERVICE, FilterError

            try:
                summary_ms = DEFAULT_SUMMARY_MS if summary is None else summary
                chosen = read_filter([filter_text or ""], {} if settings.services else IN_ONE_SERVICE)
                run_plain(settings, chosen, _write_line, record, summary_ms=summary_ms)
            except TokenRefusedError as error:
                raise CommandError(str(error), ExitCode.REFUSED) from None
            except FilterError as error:
                raise to_filter_error(error) from None
            return ExitCode.SUCCESS
        if summary is not None:
            raise click.UsageError("--summary needs --plain: the screen always shows the present figures")
        if filter_text is not None:
            raise click.UsageError("--filter needs --plain; in the console, type the filter after /")
        if why_not := why_no_console():
            raise CommandError(why_not, ExitCode.USAGE)

        def flags_of(profile: str) -> Flags:
            return Flags(profile=profile, read_only=flags.read_only, display_stage=flags.display_stage)

        return run_console(
            settings,
            switch=lambda profile: _console_settings(flags_of(profile)),
            check=lambda profile: why_unusable(flags_of(profile)),
            record=record,
        )
    except RecordingError as error:
        raise CommandError(str(error), ExitCode.FAILURE) from None
    except InvalidAddressError as error:
        raise CommandError(str(error), error.exit_code) from None


def _console_settings(flags: Flags) -> ConnectionSettings:
    settings = connect_services(flags)
    check_keymap(settings.keys)
    return settings


def why_unusable(flags: Flags) -> str:
    """Return why a running console cannot continue with these flags; empty where it can. Nothing is printed."""
    from tui.config.service_client import open_client

    try:
        settings = resolve_services(flags, warn=lambda words: None)
        check_keymap(settings.keys)
        for service in settings.services or (settings,):
            open_client(service)
    except (SettingsError, CommandError, InvalidAddressError) as error:
        return str(error)
    return ""


def _write_line(line: str) -> None:
    click.echo(line)

"""`streamtop config`: every setting, its value and its source."""

import shlex
from collections.abc import Iterator
from typing import NamedTuple

import click

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import LOCAL_EXIT_CODES, ExitCode
from streamusage.core.text import escape_unprintable
from tui.app.actions import ACTIONS, with_keys
from tui.commands.errors import CommandError
from tui.commands.shell import format_option, print_message
from tui.config.settings import (
    Alerts,
    Config,
    ConnectionSettings,
    Flags,
    Profile,
    SettingsError,
    config_path,
    load_config,
    resolve,
)
from tui.output import Format, TableColumn, View, print_rows, same_named


class Setting(NamedTuple):
    """One setting as it is printed."""

    setting: str
    value: str
    source: str
    meaning: str


@click.command(cls=HelpfulCommand, exit_codes=LOCAL_EXIT_CODES)
@click.option("--profile", metavar="NAME", help="The profile to show. [default: default_profile]")
@click.option("--keys", is_flag=True, help="Show the key map instead.")
@format_option()
def config(profile: str | None, keys: bool, output_format: Format) -> None:
    """Show every setting of the console and the commands, its value and its source.

    Of a token, only the source is shown.

    \b
    Examples:
      streamtop config
      streamtop config --profile prod --format json
      streamtop config --keys
    """
    try:
        loaded = load_config()
        connection = resolve(Flags(profile=profile), warn=lambda words: print_message(f"warning: {words}"))
    except SettingsError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    rows = list(_keys(loaded)) if keys else list(_settings(loaded, connection))
    view = View[Setting](
        columns=[
            TableColumn("SETTING", lambda row: row.setting),
            TableColumn("VALUE", lambda row: row.value),
            TableColumn("SOURCE", lambda row: row.source),
            TableColumn("MEANING", lambda row: row.meaning),
        ],
        fields=[
            *same_named("setting", "value", "source", "meaning"),
        ],
        document=lambda row: row._asdict(),
    )
    print_rows(rows, view, output_format)


def _settings(loaded: Config, connection: ConnectionSettings) -> Iterator[Setting]:
    path = str(config_path())
    name = connection.profile
    chosen = loaded.profiles[name] if name is not None else Profile()
    yield Setting("default_profile", loaded.default_profile or "", path if loaded.default_profile else "default", "")
    yield Setting("url", connection.url, connection.url_from, _meaning("url"))
    token = "none" if connection.token is None else "given"
    yield Setting("token", token, connection.token_from, "never shown")
    for key in Profile.model_fields:
        if key in ("url", "token_file", "token_env"):
            continue
        source = f"{path} [profiles.{name}]" if key in chosen.model_fields_set else "default"
        if key != "alerts":
            yield Setting(key, escape_unprintable(str(getattr(chosen, key))), source, _meaning(key))
            continue
        for part, field in Alerts.model_fields.items():
            source = f"{path} [profiles.{name}.alerts]" if part in chosen.alerts.model_fields_set else "default"
            value = escape_unprintable(_alert(chosen.alerts, part))
            yield Setting(f"alerts.{part}", value, source, _format_value(field.description))
    for key in sorted(loaded.keys):
        yield Setting(f"keys.{key}", loaded.keys[key], f"{path} [keys]", "")


def _keys(loaded: Config) -> Iterator[Setting]:
    for action in ACTIONS:
        if action.keys:
            source = str(config_path()) if action.name in loaded.keys else "default"
            yield Setting(action.name, with_keys(action, loaded.keys).keys, source, action.help)


def _alert(alerts: Alerts, part: str) -> str:
    value = getattr(alerts, part)
    return shlex.join(value) if isinstance(value, tuple) else str(value)


def _meaning(key: str) -> str:
    return _format_value(Profile.model_fields[key].description)


def _format_value(description: str | None) -> str:
    return " ".join((description or "").split())

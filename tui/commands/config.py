"""`streamtop config`: every setting, its value and its source."""

import ast
import inspect
import shlex
from collections.abc import Iterator, Mapping
from itertools import pairwise
from textwrap import dedent
from typing import Any, NamedTuple

import click

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import LOCAL_EXIT_CODES, ExitCode
from streamusage.core.text import escape_unprintable
from tui.app.actions import ACTIONS, with_keys
from tui.commands.errors import CommandError
from tui.commands.shell import format_option, print_message
from tui.config.paths import config_path
from tui.config.profiles import Alerts, Config, Profile
from tui.config.settings import (
    ConnectionSettings,
    Flags,
    SettingsError,
    load_config,
    load_document,
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
        loaded, document = load_config(), load_document()
        connection = resolve(Flags(profile=profile), warn=lambda words: print_message(f"warning: {words}"))
    except SettingsError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    rows = list(_keys(loaded)) if keys else list(_settings(loaded, document, connection))
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


def _settings(loaded: Config, document: Mapping[str, Any], connection: ConnectionSettings) -> Iterator[Setting]:
    path = str(config_path())
    name = connection.profile
    chosen = loaded.profiles[name] if name is not None else Profile()
    given = document["profiles"][name] if name is not None else {}
    meanings, alert_meanings = _meanings(Profile), _meanings(Alerts)
    yield Setting("default_profile", loaded.default_profile or "", path if loaded.default_profile else "default", "")
    yield Setting("url", connection.url, connection.url_from, meanings["url"])
    token = "none" if connection.token is None else "given"
    yield Setting("token", token, connection.token_from, "never shown")
    for key, meaning in meanings.items():
        if key in ("url", "token_file", "token_env"):
            continue
        source = f"{path} [profiles.{name}]" if key in given else "default"
        if key in ("ca_file", "client_cert", "client_key", "proxy"):
            from_variable = connection.route_from.get(key, "").startswith("STREAMTOP_")
            value = getattr(connection, key) if from_variable else getattr(chosen, key)
            source = connection.route_from[key] if from_variable else source
            yield Setting(key, escape_unprintable(str(value)), source, meaning)
            continue
        if key != "alerts":
            yield Setting(key, escape_unprintable(str(getattr(chosen, key))), source, meaning)
            continue
        for part, part_meaning in alert_meanings.items():
            source = f"{path} [profiles.{name}.alerts]" if part in given.get("alerts", {}) else "default"
            yield Setting(f"alerts.{part}", escape_unprintable(_alert(chosen.alerts, part)), source, part_meaning)
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


def _meanings(declared: type) -> dict[str, str]:
    """Return the meaning of each setting: the text below its declaration, in one line."""
    body = ast.parse(dedent(inspect.getsource(declared))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        setting.target.id: " ".join(text.value.value.split())
        for setting, text in pairwise(body.body)
        if isinstance(setting, ast.AnnAssign)
        and isinstance(setting.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }

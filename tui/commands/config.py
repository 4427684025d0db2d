"""`streamtop config`: every setting, its value and its source, as a `config.toml` or as a list."""

import ast
import inspect
import shlex
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from operator import attrgetter
from textwrap import dedent
from typing import Any, NamedTuple

import click

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import LOCAL_EXIT_CODES, ExitCode
from streamusage.core.text import escape_unprintable
from tui.app.actions import ACTIONS, Context, with_keys
from tui.commands.connecting import print_message
from tui.commands.errors import CommandError
from tui.commands.listing import ListedRows, ListingOptions, listing_options, show
from tui.commands.manual.names import complete_profiles
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
from tui.config.written_config import write_config
from tui.output import ListColumn, View, attributes
from tui.output.printer import write_blocks


class Setting(NamedTuple):
    """One setting as it is listed."""

    setting: str
    value: str
    source: str
    meaning: str


class KeySetting(NamedTuple):
    """The keys of an action in one view."""

    view: str
    setting: str
    """The action."""
    value: str
    """Its keys."""
    source: str
    meaning: str


SETTING_VIEW: View[Setting] = View(
    columns=[*attributes("setting", "value", "source"), *attributes("meaning", shrinks=True)],
    table=("setting", "value", "source", "meaning"),
    csv=("setting", "value", "source", "meaning"),
    narrow=("meaning", "source"),
    document=lambda row: row._asdict(),
)
KEY_VIEW: View[KeySetting] = View(
    columns=[
        *attributes("view"),
        ListColumn("setting", attrgetter("setting"), "ACTION"),
        ListColumn("value", attrgetter("value"), "KEYS"),
        *attributes("source"),
        *attributes("meaning", shrinks=True),
    ],
    table=("view", "setting", "value", "source", "meaning"),
    csv=("view", "setting", "value", "source", "meaning"),
    narrow=("source", "meaning"),
    document=lambda row: row._asdict(),
)
EVERY_VIEW = "every view"
_VIEWS = (Context.SESSIONS, Context.SERVERS, Context.GAPS, Context.GAP, Context.DAYS)


@click.command(cls=HelpfulCommand, exit_codes=LOCAL_EXIT_CODES)
@click.option(
    "--profile",
    metavar="NAME",
    shell_complete=complete_profiles,
    help="The profile to show. [default: default_profile]",
)
@click.option("--keys", is_flag=True, help="List the key map instead, by view.")
@listing_options(lambda: SETTING_VIEW, watch=False, toml=True)
def config(profile: str | None, keys: bool, listing: ListingOptions) -> None:
    """Print the settings in effect as a config.toml: saved there, it gives the same settings.

    Each setting has its meaning above and its source beside it; defaults are comments. With --format table, json,
    ndjson or csv, settings are listed. Of a token, only the source is shown.

    \b
    Examples:
      streamtop config
      streamtop config --profile prod > config.toml
      streamtop config --format json
      streamtop config --keys
    """
    try:
        loaded, document = load_config(), load_document()
        connection = resolve(Flags(profile=profile), warn=lambda words: print_message(f"warning: {words}"))
    except SettingsError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    if keys:
        found = list(_keys(loaded))
        show(lambda: ListedRows(rows=found, view=KEY_VIEW), listing)
    elif listing.is_toml:
        if listing.given:
            raise click.UsageError(f"{listing.given[0]} is for a list; give --format table, json, ndjson or csv, too")
        lines = write_config(loaded, document, connection, config_path(), _meanings)
        sys.stdout.flush()
        write_blocks((f"{line}\n" for line in lines), sys.stdout.buffer)
    else:
        settings = list(_settings(loaded, document, connection))
        show(lambda: ListedRows(rows=settings, view=SETTING_VIEW), listing)


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


def _keys(loaded: Config) -> Iterator[KeySetting]:
    """Yield the keys of every view, then those of each view by itself."""
    for heading, context in ((EVERY_VIEW, Context.SESSIONS), *((view.value, view) for view in _VIEWS)):
        for action in ACTIONS:
            is_of_all = len(action.contexts) == len(Context)
            if not action.keys or is_of_all != (heading == EVERY_VIEW) or context not in action.contexts:
                continue
            source = str(config_path()) if action.name in loaded.keys else "default"
            yield KeySetting(heading, action.name, with_keys(action, loaded.keys, context).keys, source, action.help)


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

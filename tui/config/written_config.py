"""The settings in effect as a `config.toml` that gives the same settings, each with its source; never a token. Pure."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import msgspec

from tui.config.profiles import NO_ALERTS, Alerts, Config, Profile
from tui.config.settings import ConnectionSettings
from tui.config.toml_text import toml_comment, toml_key, toml_value

_ROUTE = ("ca_file", "client_cert", "client_key", "proxy")
_TOKEN = ("token_file", "token_env")


class WrittenSetting(NamedTuple):
    """A setting of the chosen profile: its key, its value as TOML has it, and its source.

    A value that is not set, or is the default, is `None` or not `is_set`: it is a comment.
    """

    key: str
    value: Any
    source: str
    is_set: bool


def chosen_name(config: Config, connection: ConnectionSettings) -> str:
    """Return the name of the profile in use; without one, a name that is free."""
    if connection.profile is not None:
        return connection.profile
    names = ["default", *(f"default-{number}" for number in range(2, len(config.profiles) + 3))]
    return next(name for name in names if name not in config.profiles)


def written_settings(document: Mapping[str, Any], connection: ConnectionSettings, path: Path) -> list[WrittenSetting]:
    """Return the settings of the profile in use, each from the source that takes effect."""
    name = connection.profile
    given: Mapping[str, Any] = document["profiles"][name] if name is not None else {}
    in_profile = f"{path} [profiles.{name}]"
    defaults = Profile()
    settings: list[WrittenSetting] = []
    for key in Profile.__struct_fields__:
        if key == "alerts":
            continue
        if key == "url":
            is_own = connection.url_from == f"profile {name}"
            settings.append(
                WrittenSetting(
                    key,
                    given.get("url", connection.url) if is_own else connection.url,
                    (in_profile if "url" in given else "default") if is_own else connection.url_from,
                    connection.url_from != "the default",
                )
            )
        elif key in _TOKEN:
            settings.append(_token(key, given, connection, in_profile))
        elif key in _ROUTE:
            settings.append(_route(key, given, connection, in_profile))
        elif key == "display_stage" and connection.display_stage != given.get(key, defaults.display_stage):
            settings.append(WrittenSetting(key, connection.display_stage, "STREAMTOP_DISPLAY_STAGE", True))
        else:
            value = given.get(key, getattr(defaults, key))
            settings.append(WrittenSetting(key, value, in_profile if key in given else "default", key in given))
    return settings


def write_config(
    config: Config,
    document: Mapping[str, Any],
    connection: ConnectionSettings,
    path: Path,
    meanings: Callable[[type[msgspec.Struct]], Mapping[str, str]],
) -> Iterator[str]:
    """Yield the lines of the file. `meanings` returns the meaning of each setting of a declaration."""
    name = chosen_name(config, connection)
    yield from _comment(
        f"Settings in effect, each with its source; defaults are comments. Saved as {path}, this file gives the same "
        "settings. A token is never printed: only where it comes from."
    )
    yield ""
    source = str(path) if config.default_profile else "default"
    is_default = config.default_profile or connection.profile is None
    default = toml_value(config.default_profile or name)
    yield f"{'' if is_default else '# '}default_profile = {default}  # {toml_comment(source)}"
    yield ""
    yield f"[{toml_key('profiles', name)}]"
    of_profile = meanings(Profile)
    for setting in written_settings(document, connection, path):
        yield from _setting(setting, of_profile[setting.key])
    given = document["profiles"][connection.profile].get("alerts", {}) if connection.profile is not None else {}
    yield ""
    yield f"[{toml_key('profiles', name, 'alerts')}]"
    of_alerts = meanings(Alerts)
    source = f"{path} [profiles.{name}.alerts]"
    for key in Alerts.__struct_fields__:
        value = given.get(key, getattr(NO_ALERTS, key))
        yield from _setting(
            WrittenSetting(key, value, source if key in given else "default", key in given), of_alerts[key]
        )
    for other, declared in document.get("profiles", {}).items():
        if other != connection.profile:
            yield ""
            yield from _table(("profiles", other), declared, str(path))
    if config.keys:
        yield ""
        yield from _table(("keys",), dict(sorted(config.keys.items())), str(path))


def _setting(setting: WrittenSetting, meaning: str) -> Iterator[str]:
    yield from _comment(meaning)
    if setting.value is None:
        yield f"# {setting.key} is not set  # {toml_comment(setting.source)}"
        return
    mark = "" if setting.is_set else "# "
    yield f"{mark}{setting.key} = {toml_value(_plain(setting.value))}  # {toml_comment(setting.source)}"


def _comment(text: str) -> list[str]:
    return wrap(toml_comment(text), 98, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def _table(name: tuple[str, ...], declared: Mapping[str, Any], source: str) -> Iterator[str]:
    yield f"[{toml_key(*name)}]  # {toml_comment(source)}"
    tables = {}
    for key, value in declared.items():
        if isinstance(value, Mapping):
            tables[key] = value
        else:
            yield f"{toml_key(key)} = {toml_value(_plain(value))}"
    for key, value in tables.items():
        yield from _table((*name, key), value, source)


def _token(key: str, given: Mapping[str, Any], connection: ConnectionSettings, in_profile: str) -> WrittenSetting:
    if connection.token_from == f"profile {connection.profile}" and key in given:
        return WrittenSetting(key, given[key], in_profile, True)
    if connection.token_from == "STREAMTOP_TOKEN" and key == "token_env":
        return WrittenSetting(key, "STREAMTOP_TOKEN", "STREAMTOP_TOKEN", True)
    if key == "token_file" and connection.token_file is not None and connection.token_from.startswith("streamtop"):
        return WrittenSetting(key, connection.token_file, connection.token_from, False)
    if key in given:
        return WrittenSetting(key, None, f"{in_profile} is not used: the url is of another service", False)
    return WrittenSetting(key, None, "default", False)


def _route(key: str, given: Mapping[str, Any], connection: ConnectionSettings, in_profile: str) -> WrittenSetting:
    value, source = getattr(connection, key), connection.route_from.get(key)
    if value is None or source is None:
        return WrittenSetting(key, None, "default", False)
    if source == f"profile {connection.profile}":
        return WrittenSetting(key, given[key], in_profile, True)
    return WrittenSetting(key, value.absolute() if isinstance(value, Path) else value, source, True)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value

"""Settings of a console that shows several services: those of several profiles, each with its own url and token.

Nothing that belongs to one service is used for another: neither flags nor variables for url, token and route apply.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from tui.config.profiles import Config
from tui.config.settings import (
    ConnectionSettings,
    Flags,
    SettingsError,
    describe_unknown_profile,
    load_config,
    resolve,
)

ALL = "all"
MOST_SERVICES = 32
_OF_ONE_SERVICE = ("url", "token_file", "api_version", "ca_file", "client_cert", "client_key", "proxy")


def split_profiles(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the profiles of `a,b,c`, each once. A profile whose own name has a comma is meant where it is named."""
    if text in known:
        return (text,)
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def resolve_services(flags: Flags, *, warn: Callable[[str], None]) -> ConnectionSettings:
    """Return the settings of the service that the flags select, or of several together.

    Those of several have one entry in `services` for each. Raises `SettingsError`; no request is made.
    """
    config = load_config()
    profiles = config.profiles
    names = () if flags.profile is None else split_profiles(flags.profile, profiles)
    if len(names) < 2:
        return resolve(flags if not names else msgspec.structs.replace(flags, profile=names[0]), warn=warn)
    _check_profiles(names, config)
    for flag in _OF_ONE_SERVICE:
        if getattr(flags, flag) is not None:
            option = "--" + flag.replace("_", "-")
            raise SettingsError(f"{option} belongs to one service; leave it out, or name one profile")
    return _together(
        [resolve(msgspec.structs.replace(flags, profile=name), warn=warn, is_one_of_several=True) for name in names]
    )


def _check_profiles(names: Sequence[str], config: Config) -> None:
    for name in names:
        if name not in config.profiles:
            raise SettingsError(describe_unknown_profile(name, config, named_by_flag=True))
    if len(names) > MOST_SERVICES:
        raise SettingsError(f"{len(names)} profiles are named; a console shows at most {MOST_SERVICES} together")


def _together(services: Sequence[ConnectionSettings]) -> ConnectionSettings:
    """Return the settings of the console itself: how it looks is that of the first service."""
    return replace(
        services[0],
        url="",
        url_from="several profiles",
        token=None,
        token_from="nowhere",
        ca_file=None,
        client_cert=None,
        client_key=None,
        proxy=None,
        route_from={},
        profile=",".join(one.profile or "" for one in services),
        read_only=all(one.read_only for one in services),
        poll_interval_s=min(one.poll_interval_s for one in services),
        services=tuple(services),
    )

"""The flags that several commands have: the service, the time zone, the appearance. Imports nothing heavy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from streamusage.client.api_version import ApiVersion
from tui.commands.manual.names import complete_profiles, complete_zones
from tui.config.theme_names import ThemeName


def connection_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that select a service, and how it is reached, to a command."""
    for option in reversed(
        (
            click.option(
                "--url",
                metavar="URL",
                help="URL of the service. [else STREAMTOP_URL, the profile, http://127.0.0.1:5080]",
            ),
            click.option(
                "--token-file",
                metavar="FILE",
                type=click.Path(path_type=Path),
                help="File that holds the token. [else STREAMTOP_TOKEN, the profile]",
            ),
            click.option(
                "--profile",
                metavar="NAME",
                shell_complete=complete_profiles,
                help="A profile of config.toml; for the console also several: a,b,c.",
            ),
            click.option(
                "--ca-file",
                metavar="FILE",
                type=click.Path(path_type=Path),
                help="Certificates of a private authority. [else STREAMTOP_CA_FILE, the profile]",
            ),
            click.option(
                "--client-cert",
                metavar="FILE",
                type=click.Path(path_type=Path),
                help="Certificate for a service that requires one. [else STREAMTOP_CLIENT_CERT, the profile]",
            ),
            click.option(
                "--client-key",
                metavar="FILE",
                type=click.Path(path_type=Path),
                help="The key of the certificate. [else STREAMTOP_CLIENT_KEY, the profile]",
            ),
            click.option(
                "--proxy",
                metavar="URL",
                help="HTTP proxy. [else STREAMTOP_PROXY, the profile, HTTPS_PROXY and the like]",
            ),
            click.option(
                "--api-version",
                type=click.Choice(get_args(ApiVersion)),
                help="Version of the documented API. [default: 4.0]",
            ),
        )
    ):
        command = option(command)
    return command


def appearance_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags of how the console is drawn to a command."""
    for option in reversed(
        (
            click.option(
                "--theme", type=click.Choice(get_args(ThemeName)), help="Theme. [default: the profile's, else dark]"
            ),
            click.option(
                "--display-stage/--no-display-stage",
                default=None,
                help="Send only cells that changed to the terminal. [else STREAMTOP_DISPLAY_STAGE, the profile, on]",
            ),
        )
    ):
        command = option(command)
    return command


def tz_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--tz` to a command."""
    return click.option(
        "--tz",
        metavar="ZONE",
        shell_complete=complete_zones,
        help="Time zone, such as Europe/Berlin. [else the profile's, UTC]",
    )(command)

"""`streamtop serve`: the usage service as a command."""

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from streamusage.service.tokens import Tokens

WRONG_USE = 2
CANNOT_RUN = 3


class Address(click.ParamType[tuple[str, int]]):
    """HOST:PORT, with an IPv6 host in brackets."""

    name = "HOST:PORT"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            self.fail(f"{value!r} is not HOST:PORT, such as 127.0.0.1:5080 or [::1]:5080", param, ctx)
        return host, int(port)


def _zones(_context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> "tuple[ZoneInfo, ...]":
    from streamusage.days import UnknownZoneError, zone

    try:
        return tuple(zone(name) for name in dict.fromkeys(names))
    except UnknownZoneError as error:
        raise click.BadParameter(str(error)) from None


def _milliseconds(_context: click.Context, _parameter: click.Parameter, text: str) -> int:
    found = re.fullmatch("([0-9]{1,6})([smhd])", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no length of time, such as 90s, 30m, 6h or 2d")
    return int(found[1]) * {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}[found[2]]


@click.command()
@click.option(
    "--listen",
    type=Address(),
    default="127.0.0.1:5080",
    show_default=True,
    help="Where to answer. Port 0 takes a free one, which is printed.",
)
@click.option(
    "--store",
    metavar="URL",
    help="The store, such as sqlite:////var/lib/streamtop/usage.db (four slashes for an absolute path). "
    "The default is a SQLite file in the user's data directory.",
)
@click.option(
    "--tokens",
    "tokens_file",
    type=click.Path(path_type=Path),
    help="A TOML file of [[token]] entries with value, value_env or sha256, and role = admin, viewer or agent (with "
    "server). Without it one admin token is made and kept in the user's data directory.",
)
@click.option(
    "--account-zone",
    "account_zones",
    multiple=True,
    default=["UTC"],
    show_default=True,
    metavar="ZONE",
    callback=_zones,
    help="A time zone whose accounting days are closed once every server has reported past their end, such as "
    "Europe/Berlin. May be given several times.",
)
@click.option(
    "--close-grace",
    default="1h",
    show_default=True,
    metavar="TIME",
    callback=_milliseconds,
    help="How long after a day's end an operator may close it (streamtop daily close): 90s, 30m, 6h, 2d.",
)
@click.option("--access-log", is_flag=True, help="Write a line for every request to stderr, without tokens.")
def serve(
    listen: tuple[str, int],
    store: str | None,
    tokens_file: Path | None,
    account_zones: "tuple[ZoneInfo, ...]",
    close_grace: int,
    access_log: bool,
) -> None:
    """Runs the usage service until it is told to stop (SIGTERM or ctrl+c)."""
    import asyncio
    import logging

    from streamusage.service.run import ListenError
    from streamusage.service.store import StoreError, sqlite_url
    from streamusage.service.tokens import TokensError

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    if access_log:
        logging.getLogger("streamusage.service.access").setLevel(logging.INFO)
    try:
        tokens = _tokens(tokens_file)
    except TokensError as error:
        _fail(error, WRONG_USE)
    try:
        store_url = store or sqlite_url(_data_directory() / "usage.db")
        asyncio.run(_serve(listen, store_url, tokens, account_zones, close_grace))
    except (ListenError, StoreError) as error:
        _fail(error, CANNOT_RUN)


async def _serve(
    listen: tuple[str, int], store: str, tokens: "Tokens", account_zones: "tuple[ZoneInfo, ...]", close_grace_ms: int
) -> None:
    import asyncio
    import signal

    from streamusage.clock import SystemClock
    from streamusage.service.run import run_service

    host, port = listen
    async with run_service(
        store_url=store,
        tokens=tokens,
        clock=SystemClock(),
        host=host,
        port=port,
        account_zones=account_zones,
        close_grace_ms=close_grace_ms,
    ) as running:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, running.stop)
        click.echo(
            f"streamtop: the usage service answers at {running.url}, store {running.service.store.shown}", err=True
        )
        await running.ended()
    click.echo("streamtop: the usage service has stopped; all that it accepted is kept", err=True)


def _tokens(tokens_file: Path | None) -> "Tokens":
    from streamusage.service.tokens import own_tokens, read_tokens

    if tokens_file is not None:
        return read_tokens(tokens_file, os.environ)
    path = _data_directory() / "admin-token"
    tokens, made = own_tokens(path)
    if made:
        click.echo(f"streamtop: made an admin token and put it in {path}; use it with --token-file", err=True)
    return tokens


def _data_directory() -> Path:
    from platformdirs import user_data_path

    return user_data_path("streamtop")


def _fail(error: Exception, code: int) -> NoReturn:
    click.echo(f"streamtop: {error}", err=True)
    raise SystemExit(code)

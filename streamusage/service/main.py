"""`streamtop serve`: the usage service as a command."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
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
@click.option("--access-log", is_flag=True, help="Write a line for every request to stderr, without tokens.")
def serve(listen: tuple[str, int], store: str | None, tokens_file: Path | None, access_log: bool) -> None:
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
        asyncio.run(_serve(listen, store or sqlite_url(_data_directory() / "usage.db"), tokens))
    except (ListenError, StoreError) as error:
        _fail(error, CANNOT_RUN)


async def _serve(listen: tuple[str, int], store: str, tokens: "Tokens") -> None:
    import asyncio
    import signal

    from streamusage.clock import SystemClock
    from streamusage.service.run import run_service

    host, port = listen
    async with run_service(store_url=store, tokens=tokens, clock=SystemClock(), host=host, port=port) as running:
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

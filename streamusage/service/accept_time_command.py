"""`streamtop store accept-time`: ends the service's doubt about its clock."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import ExitCode

if TYPE_CHECKING:
    from streamusage.service.rules.trusted_time import TrustedTime


@click.command(
    "accept-time",
    cls=HelpfulCommand,
    exit_codes={
        ExitCode.SUCCESS: "the time was accepted, or no process doubts its clock",
        ExitCode.FAILURE: "you declined",
        ExitCode.USAGE: "wrong usage",
        ExitCode.UNAVAILABLE: "the store cannot be read or written",
        ExitCode.REFUSED: "the clock of this machine is earlier than the newest migration",
    },
)
@click.option(
    "--store",
    "store_url",
    metavar="URL",
    help="The store, as for streamtop serve. The default is the SQLite file in the user's data directory.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def accept_time(store_url: str | None, yes: bool) -> None:
    """Accept the clock of this machine as right, and end the doubt of every service process that agrees with it.

    Run it on the machine of the service. A running process follows within seconds, one that is started within ten
    minutes does too. A process whose clock differs stays in doubt.

    \b
    Examples:
      streamtop store accept-time
      streamtop store accept-time --yes --store postgresql://streamtop@db.example.net/usage
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import DBAPIError

    from streamusage.core.clock import SystemClock
    from streamusage.service.errors import StoreError
    from streamusage.service.store import clock_rows
    from streamusage.service.store.engines import find_engine

    try:
        url = make_url(_existing_url(store_url))
        engine = find_engine(url.render_as_string(hide_password=False))
        writer = engine.writer(engine.check_url(url))
    except StoreError as error:
        _fail(str(error), error.exit_code)
    clock = SystemClock()
    try:
        with writer.begin() as connection:
            states = clock_rows.load_clocks(connection)
        doubtful = [state for state in states if state.doubt is not None]
        if not doubtful:
            click.echo("no process of this store doubts its clock; nothing was accepted")
            return
        if clock.now_ms() < clock_rows.newest_migration_ms():
            _fail(
                f"the clock of this machine shows {_utc(clock.now_ms())}, which is earlier than the newest migration "
                "of the store and cannot be right; nothing was accepted; correct the machine's clock first",
                ExitCode.REFUSED,
            )
        for state in doubtful:
            click.echo(_describe(state), err=True)
        if not yes:
            _confirm(f"Accept {_utc(clock.now_ms())}, the clock of this machine, as right? [y/N]")
        with writer.begin() as connection:
            accepted_ms = clock.now_ms()
            clock_rows.accept_time(connection, accepted_ms)
    except DBAPIError as error:
        _fail(
            f"the store {url.render_as_string()} could not be used: {' '.join(str(error.orig).split())}; "
            "nothing was accepted; a store of an earlier version needs one start of the service",
            ExitCode.UNAVAILABLE,
        )
    finally:
        writer.dispose()
    click.echo(f"accepted {_utc(accepted_ms)}; processes whose clock agrees with it follow within seconds")


def _existing_url(store_url: str | None) -> str:
    """Return the URL of a store. Raises `StoreError` for a file that does not exist: it would be created."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    from streamusage.service.errors import StoreError
    from streamusage.service.store.engines.sqlite import sqlite_url

    if store_url is None:
        from platformdirs import user_data_path

        store_url = sqlite_url(user_data_path("streamtop") / "usage.db")
    try:
        url = make_url(store_url)
    except (ArgumentError, ValueError):
        return store_url  # the engines name the forms of a URL
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        raise StoreError(f"there is no store {url.database}; nothing was accepted; name it with --store URL")
    return store_url


def _describe(state: "TrustedTime") -> str:
    assert state.doubt is not None
    return (
        f"boot {state.boot or 'without an id'}: in doubt since {_utc(state.doubt.since_ms)} ({state.doubt.cause}); "
        f"its trusted time was {_utc(state.instant_ms)} when it was stored"
    )


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        _fail("there is no terminal to ask at; give --yes; nothing was accepted", ExitCode.USAGE)
    click.echo(f"{question} ", err=True, nl=False)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        _fail("nothing was accepted", ExitCode.FAILURE)


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _fail(message: str, code: ExitCode) -> NoReturn:
    click.echo(f"streamtop: {message}", err=True)
    raise SystemExit(code)

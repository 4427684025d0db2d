"""`streamtop store`: back up, check and restore the store of the usage service, and accept its clock."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from streamusage.command_help import HelpfulCommand, HelpfulGroup
from streamusage.core.exit_codes import ExitCode
from streamusage.service.accept_time_command import accept_time

if TYPE_CHECKING:
    from streamusage.service.accounting.checks.verification import CheckResult

MOST_DIFFERENCES = 100
"""Most differences of one check that are printed."""

_PROGRESS_SECONDS = 0.5
_PROGRESS_LINE_SECONDS = 10.0
"""How often progress is printed where it cannot replace the line before."""

STORE = click.option(
    "--store",
    "store_url",
    metavar="URL",
    help="The store, as for streamtop serve: sqlite:////var/lib/streamtop/usage.db (four slashes for an absolute "
    "path) or postgresql://user@host/database. The default is the SQLite file in the user's data directory.",
)


class Progress:
    """Prints how far a long command is, on stderr."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._printed_at = time.monotonic()
        self._length = 0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Print what is being done, if the last print is long enough ago."""
        every = _PROGRESS_SECONDS if self._is_terminal else _PROGRESS_LINE_SECONDS
        if time.monotonic() - self._printed_at < every:
            return
        self._printed_at = time.monotonic()
        text = f"{what} …" if not total else f"{what}: {min(100, 100 * done // total)} %"
        if self._is_terminal:
            click.echo("\r" + text.ljust(self._length), err=True, nl=False)
            self._length = len(text)
        else:
            click.echo(text, err=True)

    def end(self) -> None:
        """Clear the line."""
        if self._length:
            click.echo("\r" + " " * self._length + "\r", err=True, nl=False)
            self._length = 0


@click.group(
    cls=HelpfulGroup,
    extras=("service",),
    exit_codes={
        ExitCode.SUCCESS: "success",
        ExitCode.FAILURE: "the store differs from what it must be (verify)",
        ExitCode.UNAVAILABLE: "the store or the backup cannot be read or written",
    },
)
def store() -> None:
    """Back up, check and restore the store of the usage service; accept its clock.

    \b
    Examples:
      streamtop store backup /backup/usage-$(date +%F).db
      streamtop store verify
      streamtop store restore --replace /backup/usage-2026-11-28.db
      streamtop store accept-time
    """


@store.command(
    cls=HelpfulCommand,
    exit_codes={
        ExitCode.SUCCESS: "the backup is complete",
        ExitCode.USAGE: "wrong usage",
        ExitCode.UNAVAILABLE: "the store cannot be read, or the file cannot be written",
    },
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@STORE
@click.option("--replace", is_flag=True, help="Replace the file if it exists, when the new backup is complete.")
def backup(file: Path, store_url: str | None, replace: bool) -> None:
    """Write one state of the store to FILE, while the service runs.

    FILE is a SQLite store, also for a store in PostgreSQL. It gets its name when it is complete and was read back, and
    only its owner can read it.
    """
    from streamusage.service.errors import StoreError
    from streamusage.service.store.backup import back_up

    url = _prepare(store_url)
    progress = Progress()
    try:
        summary = back_up(url, file, progress, replace=replace)
    except StoreError as error:
        progress.end()
        _fail(error)
    progress.end()
    click.echo(f"backed up {summary.servers:,} servers and {summary.records:,} usage records to {file}")


@store.command(
    cls=HelpfulCommand,
    exit_codes={
        ExitCode.SUCCESS: "no differences",
        ExitCode.FAILURE: "differences, which the output names",
        ExitCode.USAGE: "wrong usage",
        ExitCode.UNAVAILABLE: "the store cannot be opened",
    },
)
@STORE
@click.option("--no-mark", is_flag=True, help="Only print: a running service continues, and another one may start.")
def verify(store_url: str | None, no_mark: bool) -> None:
    """Check the whole store: nothing in it is changed, and the service may run.

    Checks the integrity of the engine's pages and indexes, reads every row, compares closed days and adjustments with
    the checksums of their closing, and sums hours, closed days and usage records again from what servers reported.
    Names the table and the row of each difference.

    A store with differences is marked, in SQLite by a file beside it, in PostgreSQL by the comment of the table
    servers: a running service stops to write, and no service starts on it. If there are none, the mark is removed.
    """
    from sqlalchemy.exc import DBAPIError

    from streamusage.service.accounting.checks.verification import verify_store
    from streamusage.service.errors import StoreError
    from streamusage.service.store.engines import resolve
    from streamusage.service.store.page_checksums import has_page_checksums
    from streamusage.service.store.store import open_unchanged

    url = _prepare(store_url)
    try:
        engine, checked_url = resolve(url)
        path = engine.file_of(checked_url)
        lacks_checksums = path is not None and path.is_file() and not has_page_checksums(path)
        checked = open_unchanged(url)
    except (StoreError, OSError) as error:
        _fail(error)
    progress = Progress()
    found: list[str] = []
    try:
        click.echo(f"checking {checked.display_url}")
        if lacks_checksums:
            click.echo("  its pages have no checksums: a backup that is restored has them")
        for result in verify_store(checked, time.time_ns() // 1_000_000, progress):
            progress.end()
            found += _print_result(result)
        if checked.mark is not None and not no_mark:
            if found:
                checked.mark.mark(f"by streamtop store verify: {found[0].strip()}")
            elif checked.mark.read_mark():
                checked.mark.unmark()
    except (OSError, DBAPIError) as error:
        _fail(error)
    finally:
        checked.close()
    if not found:
        click.echo("no differences")
        return
    click.echo(
        f"{len(found):,} differences; restore a backup with streamtop store restore (docs/operating.md)", err=True
    )
    raise SystemExit(ExitCode.FAILURE)


def _print_result(result: "CheckResult") -> list[str]:
    """Print the result of a check and return its differences as lines."""
    lines = [
        f"    {' '.join(part for part in (item.table, item.key) if part)}: {item.what}" for item in result.differences
    ]
    verdict = f"{len(lines):,} differences" if lines else "ok"
    click.echo(f"  {result.name:<9} {verdict:<16} {result.checked}")
    for line in lines[:MOST_DIFFERENCES]:
        click.echo(line)
    if len(lines) > MOST_DIFFERENCES:
        click.echo(f"    and {len(lines) - MOST_DIFFERENCES:,} more")
    return lines


@store.command(
    cls=HelpfulCommand,
    exit_codes={
        ExitCode.SUCCESS: "the store is what the backup was",
        ExitCode.USAGE: "wrong usage",
        ExitCode.UNAVAILABLE: "the backup cannot be read, or the store is in use, not empty, or cannot be written; "
        "nothing was changed",
    },
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@STORE
@click.option(
    "--replace", is_flag=True, help="Replace a SQLite store that is not empty. It is kept under another name."
)
@click.option(
    "--ignore-checksums",
    is_flag=True,
    help="Do not verify the checksums of FILE's pages: another program wrote it, such as .backup of sqlite3.",
)
def restore(file: Path, store_url: str | None, replace: bool, ignore_checksums: bool) -> None:
    """Make the store what the backup FILE is. Stop the service first.

    The store may be of another engine than the one that was backed up. A database of PostgreSQL must be empty: create
    a new one, restore into it, and start the service with it.

    Agents notice that the service has an older state and send again what it lacks, up to seven days back. Imports,
    deletes and closed days since the backup must be done again.
    """
    from streamusage.service.errors import StoreError
    from streamusage.service.store.backup import restore as restore_backup

    url = _prepare(store_url)
    progress = Progress()
    try:
        summary = restore_backup(url, file, progress, replace=replace, ignores_checksums=ignore_checksums)
    except StoreError as error:
        progress.end()
        _fail(error)
    progress.end()
    click.echo(f"restored {summary.servers:,} servers and {summary.records:,} usage records from {file}")
    if summary.kept_as is not None:
        click.echo(f"the store before is kept as {summary.kept_as}")
    click.echo(
        "start the service: agents notice that it has an older state and send again what it lacks, up to seven days "
        "back; imports, deletes and closed days since the backup must be done again"
    )


def _prepare(store_url: str | None) -> str:
    """Return the store's URL. Quietens the log of the store, whose messages are for a service that runs."""
    import logging

    from platformdirs import user_data_path

    from streamusage.service.store.engines.sqlite import sqlite_url

    logging.getLogger("streamusage.service.store").setLevel(logging.CRITICAL)
    return store_url or sqlite_url(user_data_path("streamtop") / "usage.db")


def _fail(error: Exception) -> NoReturn:
    click.echo(f"streamtop: {error}", err=True)
    raise SystemExit(getattr(error, "exit_code", ExitCode.UNAVAILABLE))


store.add_command(accept_time)

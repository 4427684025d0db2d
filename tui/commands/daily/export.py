"""`streamtop daily export` and `verify`: the statement for a bill."""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from streamusage.api.daily import Adjustments, Daily, LedgerEntry
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand
from streamusage.core.atomic_file import write_atomically
from streamusage.core.days import day_interval
from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCode
from tui.commands.daily.final_days import refuse, refuse_unless_final
from tui.commands.daily.window import DAY, checked, server_option
from tui.commands.errors import CommandError
from tui.commands.flags import connection_flags, tz_option
from tui.commands.shell import connect, connection_options, counted, print_message, run_requests
from tui.config.settings import ConnectionSettings, Flags
from tui.model.daily.statement import NotSignedOffError, statement, verified, voided_since


class _Read(NamedTuple):
    daily: Daily
    entries: list[LedgerEntry] | None


@click.command(cls=HelpfulCommand, short_help="Sign off final days: a statement with a digest.")
@click.option("--from", "first", type=DAY, required=True, metavar="YYYY-MM-DD", help="First day.")
@click.option("--to", "last", type=DAY, required=True, metavar="YYYY-MM-DD", help="Last day, included.")
@server_option
@click.option("--with-adjustments", is_flag=True, help="List later changes too, in a separate section.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Output file.")
@tz_option
@connection_options
def export(
    connection: ConnectionSettings,
    first: datetime,
    last: datetime,
    server: str | None,
    with_adjustments: bool,
    output: Path | None,
) -> None:
    """Sign off days: a statement of closed figures and their coverage, with a digest. To standard output, or FILE.

    It states the window, the zone, the servers, the coverage and the revision of the figures. Every day must be final,
    in an account zone of the service; else nothing is written, and each day that is not final is named with the reason.
    The same command writes the same bytes at any later time. Changes after the closing are not in the figures; with
    --with-adjustments they are listed separately, and the digest stays the same.

    \b
    Examples:
      streamtop daily export --from 2026-11-01 --to 2026-11-30 --tz Europe/Berlin -o november.json
      streamtop daily verify november.json
    """
    days = checked(first.date(), last.date())
    tz = connection.tz.key

    async def read(client: UsageClient) -> _Read:
        daily = await client.daily(*days, tz, server=server)
        listed = await client.adjustments(*days, tz, server=server) if with_adjustments else None
        return _Read(daily, None if listed is None else listed.adjustments)

    daily, entries = run_requests(connection, read)
    if tz not in daily.account_zones:
        known = ", ".join(daily.account_zones) or "none"
        raise CommandError(
            f"{connection.host}: {tz} is not an account zone of this service ({known}), so its days are never closed "
            f"and cannot be signed off; start it with --account-zone {tz}",
            ExitCode.REFUSED,
        )
    refuse_unless_final(daily, days, connection, printed="signed off")
    # A server that is still unknown could report figures of a day that is not closed for the estate.
    if server is None and (daily.closed_to or 0) < day_interval(days.last, connection.tz).to_ms:
        refuse([f"{days.last}: days close in order, and an earlier one is still open"], connection, "signed off")
    content = statement(daily.days, *days, connection.tz, server, entries)
    if output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        _write(output, content)
    signed = verified(content)
    print_message(f"signed off {counted(signed['rests_on']['days'], 'day')} of {tz}, {signed['digest']}")


@click.command(
    cls=HelpfulCommand,
    short_help="Check a statement against its digest.",
    exit_codes={
        **CLIENT_EXIT_CODES,
        ExitCode.SUCCESS: "the statement is unchanged",
        ExitCode.REFUSED: "the statement was changed, or is none; with --online: a closing in it is void",
    },
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option("--online", is_flag=True, help="Also ask the service whether a closing in it is void by now.")
@connection_flags
def verify(file: Path, online: bool, **given: Any) -> None:
    """Check whether a statement is unchanged since it was signed off.

    This needs no service. With --online, the service is asked whether closings in the statement became void since: then
    the days were closed anew, and the statement must be replaced.

    \b
    Examples:
      streamtop daily verify november.json
      streamtop daily verify november.json --online
    """
    try:
        signed = verified(file.read_bytes())
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}", ExitCode.FAILURE) from None
    except NotSignedOffError as error:
        raise CommandError(f"{file}: {error}", ExitCode.REFUSED) from None
    window = signed["rests_on"]["window"]
    days = counted(signed["rests_on"]["days"], "day")
    earlier = len(signed.get("voids", ()))
    void = f"; {counted(earlier, 'earlier closing')} of these days {'is' if earlier == 1 else 'are'} void"
    print_message(
        f"{file} is unchanged since it was signed off: {days}, {window['from']} to {window['to']}, {signed['digest']}"
        f"{void if earlier else ''}"
    )
    if online:
        _refuse_void(file, signed, connect(Flags(**given)))


def _refuse_void(file: Path, signed: dict[str, Any], connection: ConnectionSettings) -> None:
    """Raise `CommandError` if a closing in the statement is void by now."""
    about = signed["rests_on"]
    days = [date.fromisoformat(about["window"][end]) for end in ("from", "to")]

    async def read(client: UsageClient) -> Adjustments:
        return await client.adjustments(days[0], days[1], about["tz"], server=about["only_server"])

    void = voided_since(signed, run_requests(connection, read).voids or ())
    if void:
        listed = "\n".join(
            f"  {entry.day} of {entry.server}, revision {entry.revision}: {entry.reason}" for entry in void
        )
        raise CommandError(
            f"{file}: {counted(len(void), 'closing')} in it {'is' if len(void) == 1 else 'are'} void by now at "
            f"{connection.host}; export the days again:\n{listed}",
            ExitCode.REFUSED,
        )
    print_message(f"no closing in it is void at {connection.host}")


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content, mode=0o644)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}; nothing was written", ExitCode.FAILURE) from None

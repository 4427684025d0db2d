"""`streamtop servers` lists the media servers; `servers rm` removes one, `servers repair` moves misdated figures."""

import sys
from collections.abc import Iterator, Sequence

import click

from streamusage.api.extension import RemovedServer, RepairedServer, Servers, ServerStatus
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulGroup
from streamusage.core.exit_codes import ExitCode
from tui.commands.errors import CommandError
from tui.commands.estate_tables import server_view
from tui.commands.flags import tz_option
from tui.commands.listing import ListedRows, ListingOptions, listing_options, show
from tui.commands.manual.names import complete_servers
from tui.commands.shell import (
    connection_options,
    counted,
    print_message,
    prompt_operator,
    refuse_if_read_only,
    run_requests,
)
from tui.config.settings import ConnectionSettings
from tui.model import formats
from tui.model.formats import time_text
from tui.model.suggestions import did_you_mean
from tui.model.unread import reason_line, unread_servers
from tui.model.unseen import watching
from tui.output import UTC

_MOST_NAMED = 3


@click.group(cls=HelpfulGroup, invoke_without_command=True)
@listing_options(lambda: server_view((), UTC, 0))
@tz_option
@connection_options
def servers(connection: ConnectionSettings, listing: ListingOptions) -> None:
    """List the media servers that report: their state and their watermark, before which they reported everything.

    \b
    live              reported within three sync intervals
    unreachable       did not; after the edge timeout its subscribers are not counted
    removed in order  removed from the estate; its figures are kept
    removed by force  removed; its part of the sessions is discarded
    clock refused     its reports cover time after the service's; its journal keeps them
    no reading        its agent cannot read the media server; the reason is printed below

    A live server whose machine's clock is more than a minute off is marked with the difference.

    NEEDS REPAIR appears where a wrong clock filed figures in the future or closed days before their end.

    \b
    Examples:
      streamtop servers
      streamtop servers --format json
      streamtop servers rm edge-3
      streamtop servers repair edge-3
    """

    async def read(client: UsageClient) -> Servers:
        return await client.servers()

    def find() -> ListedRows[ServerStatus]:
        answer = run_requests(connection, read)
        view = server_view(answer.servers, connection.tz, answer.now)
        return ListedRows(rows=answer.servers, view=view, messages=list(_messages(answer)))

    show(find, listing)


def _messages(answer: Servers) -> Iterator[str]:
    found = answer.servers
    states = [server.state for server in found]
    yield f"{counted(len(found), 'server')}: {states.count('live')} live, {states.count('unreachable')} unreachable"
    for server in found:
        if server.repair:
            yield repair_hint(server)
    for server in unread_servers(found):
        yield f"{server.server}: {reason_line(server, answer.now)}"
    refused = [server.server for server in found if server.clock_refused_at is not None and not server.removed]
    if refused:
        yield f"clock refused, correct the clocks of their machines: {', '.join(refused)}"
    if answer.clock is not None and answer.clock.message:
        yield f"{answer.clock.message}; nothing is closed, discarded or exported"


@servers.command("rm")
@click.argument("name", shell_complete=complete_servers)
@click.option("--force", is_flag=True, help="Discard its part of every session.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@connection_options
def remove(connection: ConnectionSettings, name: str, force: bool, yes: bool) -> None:
    """Remove a server from the estate.

    Without --force, its figures are kept and nothing of it counts as missing any more. A server that still reports is
    not removed: stop its agent first. With --force, its part of every session is discarded. Daily statistics are kept
    in both cases. A server that reports again is added again, with everything that it counted.

    \b
    Examples:
      streamtop servers rm edge-3
      streamtop servers rm edge-3 --force
    """
    refuse_if_read_only(connection, "no server was removed")
    if force and not yes and not sys.stdin.isatty():
        raise CommandError("there is no terminal to ask at; give --yes; no server was removed", ExitCode.USAGE)
    known = run_requests(connection, lambda client: client.servers()).servers
    found = next((server for server in known if server.server == name), None)
    if found is None or found.removed in ("by force", "by force" if force else "in order"):
        raise _unknown_server(name, known, connection, "nothing was removed")
    if found.state == "live" and not force:
        raise CommandError(
            f"{connection.host}: {name} still reports: stop its agent first, or give --force; nothing was removed",
            ExitCode.REFUSED,
        )
    if force and not yes:
        active = watching(found)
        subscribers = "active subscribers unknown" if active is None else counted(active, "active subscriber")
        print_message(f"{name}, {found.role}, {found.state}, {subscribers}.")
        if found.state == "live":
            print_message("It still reports and would be added again by its next report: stop its agent first.")
        if prompt_operator(f"Remove {name} from the sessions at {connection.host}? [y/N]").lower() not in {"y", "yes"}:
            raise CommandError("no server was removed", ExitCode.FAILURE)

    async def take_out(client: UsageClient) -> RemovedServer:
        await client.servers()
        return await client.remove_server(name, force=force)

    removed = run_requests(connection, take_out)
    print_message(
        f"removed {name} {removed.removed} at {connection.host}; {counted(removed.sessions, 'session')} changed"
    )


@servers.command("repair")
@click.argument("name", shell_complete=complete_servers)
@click.option("--dry-run", is_flag=True, help="Only list what would change.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@tz_option
@connection_options
def repair(connection: ConnectionSettings, name: str, dry_run: bool, yes: bool) -> None:
    """Move figures that a wrong clock filed in the future to the time before now, and free used up epoch numbers.

    The true minutes of such figures are unknown: they are filed as late as possible before the server's last report,
    and that time is partial. No unit is lost or added. The agent begins anew from there and sends nothing of the old
    again. Days that the wrong clock closed get a void entry, and close anew when they are over; their closed figures
    are kept as they are.

    Epoch numbers near 2^53, which earlier versions issued to any request, are replaced by low ones, so that new
    journals can report again.

    The clock of the service must be right. The command needs an admin token and is written to the audit log.

    \b
    Examples:
      streamtop servers repair edge-3 --dry-run
      streamtop servers repair edge-3
    """
    if not dry_run:
        refuse_if_read_only(connection, "nothing was repaired")
        if not yes and not sys.stdin.isatty():
            raise CommandError("there is no terminal to ask at; give --yes; nothing was repaired", ExitCode.USAGE)

    async def plan(client: UsageClient) -> RepairedServer:
        known = (await client.servers()).servers
        if all(server.server != name for server in known):
            raise _unknown_server(name, known, connection, "nothing was repaired")
        return await client.repair_server(name, dry=True)

    planned = run_requests(connection, plan)
    if not planned.needed:
        print_message(f"{name} at {connection.host} needs no repair; nothing was repaired")
        return
    for line in _changes(planned, connection):
        print_message(line)
    if dry_run:
        print_message("nothing was changed")
        return
    if not yes and prompt_operator(f"Repair {name} at {connection.host}? [y/N]").lower() not in {"y", "yes"}:
        raise CommandError("nothing was repaired", ExitCode.FAILURE)

    async def apply_repair(client: UsageClient) -> RepairedServer:
        await client.servers()
        return await client.repair_server(name, dry=False)

    done = run_requests(connection, apply_repair)
    numbers = "" if done.highest_epoch is None else f", the next epoch is {done.highest_epoch + 1} or later"
    print_message(
        f"repaired {name} at {connection.host}: {counted(done.rows, 'row')} moved, "
        f"{counted(len(done.voids), 'closing')} void{numbers}; its agent begins anew with its next report"
    )


server = HelpfulGroup(
    "server",
    commands={"rm": remove, "repair": repair},
    hidden=True,
    help="Another spelling of `servers`: `server rm NAME` and `server repair NAME` work, too.",
)


def repair_hint(server: ServerStatus) -> str:
    """Return what a wrong clock or a wrong epoch request left behind on a server, and the command that heals it."""
    if server.repair == "epochs used up":
        return (
            f"{server.server}: no epoch number is left for a new journal; run: streamtop servers repair {server.server}"
        )
    what = "figures are filed" if server.repair == "filed in the future" else "days were closed"
    when = "in the future" if server.repair == "filed in the future" else "before their end"
    return f"{server.server}: {what} {when} by a wrong clock; run: streamtop servers repair {server.server}"


def _changes(planned: RepairedServer, connection: ConnectionSettings) -> list[str]:
    tz = connection.tz
    lines = [f"The service's time is {time_text(planned.now, tz)} ({tz.key}). A repair of {planned.server} would:"]
    if planned.partial_to is not None and planned.partial_from is not None:
        rows = ", ".join(
            [counted(planned.slots, "slot"), counted(planned.samples, "sample"), counted(planned.sessions, "session")]
        )
        lines += [
            f"  move {rows} from up to {time_text(planned.watermark_before or planned.now, tz)} to "
            f"{time_text(planned.partial_from, tz)} - {time_text(planned.partial_to, tz)}, which becomes partial",
            f"  with {counted(planned.connections, 'connection')}, {formats.traffic(planned.bytes_in)} in, "
            f"{formats.traffic(planned.bytes_out)} out, {formats.duration(planned.view_time_ms)} of view time",
            "  seal the epoch of its agent, which begins anew",
        ]
    if planned.highest_epoch_before is not None:
        lines.append(
            f"  replace epoch numbers up to {planned.highest_epoch_before:,} by numbers up to {planned.highest_epoch:,}"
        )
    if planned.voids:
        days = [f"{entry.day} of {entry.tz}" for entry in planned.voids]
        named = ", ".join(days[:_MOST_NAMED]) + (f" and {len(days) - _MOST_NAMED} more" if days[_MOST_NAMED:] else "")
        lines.append(f"  enter {counted(len(days), 'closed day')} as void: {named}")
    return lines


def _unknown_server(
    name: str, known: Sequence[ServerStatus], connection: ConnectionSettings, unchanged: str
) -> CommandError:
    close = did_you_mean(name, [server.server for server in known if server.server != name])
    return CommandError(f"{connection.host}: no server {name}; {unchanged}{close}", ExitCode.NOT_FOUND)

"""`streamtop servers` lists the media servers; `streamtop servers rm` removes one."""

import sys

import click

from streamusage.api.extension import RemovedServer, Servers, ServerStatus
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulGroup
from streamusage.core.exit_codes import ExitCode
from tui.commands.errors import CommandError
from tui.commands.estate_tables import server_view
from tui.commands.flags import tz_option
from tui.commands.shell import (
    connection_options,
    counted,
    format_option,
    print_message,
    prompt_operator,
    refuse_if_read_only,
    run_requests,
)
from tui.config.settings import ConnectionSettings
from tui.output import Format, print_rows


@click.group(cls=HelpfulGroup, invoke_without_command=True)
@format_option()
@tz_option
@connection_options
def servers(connection: ConnectionSettings, output_format: Format) -> None:
    """List the media servers that report: their state and their watermark, before which they reported everything.

    \b
    live              reported within three sync intervals
    unreachable       did not; after the edge timeout its subscribers count as lost
    removed in order  removed from the estate; its figures are kept
    removed by force  removed; its part of the sessions is discarded
    clock refused     its reports cover time after the service's; its journal keeps them

    A live server whose machine's clock is more than a minute off is marked with the difference.

    \b
    Examples:
      streamtop servers
      streamtop servers --format json
      streamtop servers rm edge-3
    """

    async def read(client: UsageClient) -> Servers:
        return await client.servers()

    answer = run_requests(connection, read)
    found = answer.servers
    print_rows(found, server_view(connection.tz), output_format)
    states = [server.state for server in found]
    print_message(
        f"{counted(len(found), 'server')}: {states.count('live')} live, {states.count('unreachable')} unreachable"
    )
    refused = [server.server for server in found if server.clock_refused_at is not None and not server.removed]
    if refused:
        print_message(f"clock refused, correct the clocks of their machines: {', '.join(refused)}")
    if answer.clock is not None and answer.clock.message:
        print_message(f"{answer.clock.message}; nothing is closed, discarded or exported")


@servers.command("rm")
@click.argument("name")
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
    found = run_requests(connection, lambda client: _named(client, name))
    if found is None or found.removed in ("by force", "by force" if force else "in order"):
        raise CommandError(f"{connection.host}: no server {name}; nothing was removed", ExitCode.NOT_FOUND)
    if found.state == "live" and not force:
        raise CommandError(
            f"{connection.host}: {name} still reports: stop its agent first, or give --force; nothing was removed",
            ExitCode.REFUSED,
        )
    if force and not yes:
        print_message(f"{name}, {found.role}, {found.state}, {counted(found.active_subscribers, 'active subscriber')}.")
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


server = HelpfulGroup(
    "server", commands={"rm": remove}, hidden=True, help="The old spelling of `servers`: `server rm NAME` still works."
)


async def _named(client: UsageClient, name: str) -> ServerStatus | None:
    return next((server for server in (await client.servers()).servers if server.server == name), None)

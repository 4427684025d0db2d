"""`streamtop servers` and `streamtop server rm`: the estate, and taking a server out of it."""

import sys

import click

from streamusage.api.extension import RemovedServer, Servers, ServerStatus
from streamusage.client.usage_client import UsageClient
from tui.commands.errors import NOT_FOUND, REFUSED, THIS_MACHINE, USAGE, CommandError
from tui.commands.estate_tables import server_view
from tui.commands.flags import tz_option
from tui.commands.shell import ask, connection_options, counted, format_option, refuse_if_read_only, say, talk
from tui.config.settings import ConnectionSettings
from tui.output import Format, print_rows


@click.command()
@format_option()
@tz_option
@connection_options
def servers(connection: ConnectionSettings, output_format: Format) -> None:
    """Lists the media servers that report: their state, and before which instant they owe nothing more.

    \b
    live              reported within three sync intervals
    unreachable       did not; after the edge timeout its subscribers count as lost
    removed in order  taken out of the estate; what it reported is kept
    removed by force  taken out; its part of the sessions is not accounted for
    """

    async def read(client: UsageClient) -> Servers:
        return await client.servers()

    found = talk(connection, read).servers
    print_rows(found, server_view(connection.tz), output_format)
    states = [server.state for server in found]
    say(f"{counted(len(found), 'server')}: {states.count('live')} live, {states.count('unreachable')} unreachable")


@click.group()
def server() -> None:
    """Changes the estate: `server rm NAME` takes a server out of it."""


@server.command("rm")
@click.argument("name")
@click.option("--force", is_flag=True, help="Its part of every session is not accounted for any more.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connection_options
def remove(connection: ConnectionSettings, name: str, force: bool, yes: bool) -> None:
    """Takes a server out of the estate.

    In order, what it reported is kept, and it owes nothing more. A server that still reports is not taken out in
    order: stop its agent first. By force, its part of every session is taken away. Daily statistics are kept either
    way. A server that reports again is back, with all that it counted.

    \b
    Examples:
      streamtop server rm edge-3
      streamtop server rm edge-3 --force
    """
    refuse_if_read_only(connection, "no server was removed")
    if force and not yes and not sys.stdin.isatty():
        raise CommandError("there is no terminal to ask at; give --yes; no server was removed", USAGE)
    found = talk(connection, lambda client: _named(client, name))
    if found is None or found.removed in ("by force", "by force" if force else "in order"):
        raise CommandError(f"{connection.host}: {name} is not in the estate; nothing was removed", NOT_FOUND)
    if found.state == "live" and not force:
        raise CommandError(
            f"{connection.host}: {name} still reports: stop its agent first, or give --force; nothing was removed",
            REFUSED,
        )
    if force and not yes:
        say(f"{name}, {found.role}, {found.state}, {counted(found.active_subscribers, 'active subscriber')}.")
        if found.state == "live":
            say("It still reports, and with its next report it is back: stop its agent first.")
        if ask(f"Take {name} out of the sessions at {connection.host}? [y/N]").lower() not in {"y", "yes"}:
            raise CommandError("no server was removed", THIS_MACHINE)

    async def take_out(client: UsageClient) -> RemovedServer:
        await client.servers()
        return await client.remove_server(name, force=force)

    removed = talk(connection, take_out)
    say(f"removed {name} {removed.removed} at {connection.host}; {counted(removed.sessions, 'session')} changed")


async def _named(client: UsageClient, name: str) -> ServerStatus | None:
    return next((server for server in (await client.servers()).servers if server.server == name), None)

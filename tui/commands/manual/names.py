"""Names that a shell completes: profiles, time zones, and servers and streams of the service. Never an error.

A request has a second, or `STREAMTOP_COMPLETION_SECONDS`: then there are no names. A name that a shell
would interpret is left out.
"""

import os
import re
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from streamusage.client.usage_client import UsageClient

DEFAULT_TIME_LIMIT_S = 1.0
TIME_LIMIT_VARIABLE = "STREAMTOP_COMPLETION_SECONDS"
"""How long a request for names may take."""
MOST_NAMES = 500
_SAFE = r"[A-Za-z0-9_./%@+][A-Za-z0-9_./%@+-]*"


def complete_profiles(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the profiles of `config.toml`; the console takes several, with commas between."""
    from click.shell_completion import CompletionItem

    from tui.config.settings import SettingsError, load_config

    before, comma, last = incomplete.rpartition(",")
    try:
        profiles = load_config().profiles
    except SettingsError:
        return []
    given = before.split(",")
    return [
        CompletionItem(f"{before}{comma}{name}", help=profile.url)
        for name, profile in profiles.items()
        if name.startswith(last) and name not in given and re.fullmatch(_SAFE, name, re.ASCII)
    ]


def complete_zones(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the names of time zones."""
    from zoneinfo import available_timezones

    return _items(sorted(available_timezones()), incomplete)


def complete_servers(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the media servers of the service."""

    async def names(client: "UsageClient") -> list[str]:
        return [server.server for server in (await client.servers()).servers]

    return _items(_requested(ctx, names), incomplete)


def complete_live_streams(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the streams that are on air."""

    async def names(client: "UsageClient") -> list[str]:
        return _stream_names(listed.stream for listed in await client.live_list())

    return _items(_requested(ctx, names), incomplete)


def complete_recorded_streams(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the streams that have records."""

    async def names(client: "UsageClient") -> list[str]:
        return _stream_names(record.stream for record in await client.usage())

    return _items(_requested(ctx, names), incomplete)


def _stream_names(streams: Iterable[Any]) -> list[str]:
    from tui.commands.streams import format_stream_name

    return sorted({format_stream_name(stream) for stream in streams})


def _items(names: Iterable[str], incomplete: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    found = [name for name in names if name.startswith(incomplete) and re.fullmatch(_SAFE, name, re.ASCII)]
    return [CompletionItem(name) for name in found[:MOST_NAMES]]


def _requested(ctx: click.Context, names: "Callable[[UsageClient], Awaitable[list[str]]]") -> list[str]:
    """Return the names of the service that the command line names so far; none if it does not answer in time."""
    found: list[str] = []

    def request() -> None:
        # Whatever fails here is not shown while somebody types.
        try:
            found.extend(_names_of_service(ctx, names))
        except Exception:
            return

    # A thread, because looking up a host name cannot be interrupted.
    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(_time_limit_s())
    return list(found)


def _time_limit_s() -> float:
    try:
        return float(os.environ.get(TIME_LIMIT_VARIABLE, ""))
    except ValueError:
        return DEFAULT_TIME_LIMIT_S


def _names_of_service(ctx: click.Context, names: "Callable[[UsageClient], Awaitable[list[str]]]") -> list[str]:
    import asyncio

    from tui.config.service_client import open_client
    from tui.config.settings import Flags, resolve

    given: dict[str, Any] = {
        flag: ctx.params.get(flag) for flag in Flags.__struct_fields__ if ctx.params.get(flag) is not None
    }
    settings = resolve(Flags(**given), warn=lambda words: None)

    async def request() -> list[str]:
        async with open_client(settings) as client:
            return await names(client)

    return asyncio.run(asyncio.wait_for(request(), _time_limit_s()))

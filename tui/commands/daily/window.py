"""The days of a command: `--from`, `--to`, `--server` and their defaults."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import click

from streamusage.client.errors import RefusedError
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.core.days import day_of
from streamusage.core.windows import OPTIONS, Days, WindowError, check_days
from tui.commands.manual.names import complete_servers
from tui.config.settings import ConnectionSettings

DAY = click.DateTime(["%Y-%m-%d"])
DAYS_BY_DEFAULT = 7


def server_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--server` to a command."""
    return click.option("--server", metavar="NAME", shell_complete=complete_servers, help="Only this server.")(command)


def checked(first: date, last: date) -> Days:
    """Return the days, if there are any and not too many. Raises `click.UsageError`."""
    try:
        return check_days(first, last, names=OPTIONS)
    except WindowError as error:
        raise click.UsageError(str(error)) from None


async def days_or_a_week(
    client: UsageClient, connection: ConnectionSettings, first: datetime | None, last: datetime | None
) -> Days:
    """Return the given days; the default end is today by the service's clock, the default length a week."""
    last_day = last.date() if last is not None else day_of(await _now(client), connection.tz)
    first_day = first.date() if first is not None else _days_before(last_day, DAYS_BY_DEFAULT - 1)
    return checked(first_day, last_day)


async def _now(client: UsageClient) -> int:
    try:
        return (await client.servers()).now
    except RefusedError:  # the token of a customer reads no servers
        return SystemClock().now_ms()


def _days_before(day: date, days: int) -> date:
    return day - timedelta(days=min(days, (day - date.min).days))

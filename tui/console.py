"""How the command line starts the console."""

import asyncio
from datetime import tzinfo
from pathlib import Path

from streamusage.client import ApiVersion, UsageClient
from streamusage.clock import Clock, SystemClock
from tui.app import ConsoleApp
from tui.deleted import journal_path as default_journal_path
from tui.settings import Alerts

POLL_INTERVAL_SECONDS = 2.0


def run_console(
    base_url: str,
    token: str | None,
    *,
    profile_name: str = "",
    api_version: ApiVersion = "4.0",
    read_only: bool = False,
    clock: Clock | None = None,
    poll_interval: float = POLL_INTERVAL_SECONDS,
    journal_path: Path | None = None,
    tz: tzinfo | None = None,
    alerts: Alerts | None = None,
) -> int:
    """Runs the console until it is left; gives the exit code. Raises `BadAddress` before anything is drawn.

    `clock` counts the age of what is shown; the time itself is the service's own.
    """
    return asyncio.run(
        run_console_async(
            base_url,
            token,
            profile_name=profile_name,
            api_version=api_version,
            read_only=read_only,
            clock=clock,
            poll_interval=poll_interval,
            journal_path=journal_path,
            tz=tz,
            alerts=alerts,
        )
    )


async def run_console_async(
    base_url: str,
    token: str | None,
    *,
    profile_name: str = "",
    api_version: ApiVersion = "4.0",
    read_only: bool = False,
    clock: Clock | None = None,
    poll_interval: float = POLL_INTERVAL_SECONDS,
    journal_path: Path | None = None,
    tz: tzinfo | None = None,
    alerts: Alerts | None = None,
) -> int:
    """The same within a running event loop, as the demo does beside its own service."""
    clock = clock or SystemClock()
    async with UsageClient(base_url, token, api_version=api_version, clock=clock) as client:
        app = ConsoleApp(
            client,
            profile_name=profile_name,
            clock=clock,
            poll_interval_seconds=poll_interval,
            journal_path=journal_path or default_journal_path(),
            read_only=read_only,
            tz=tz,
            alerts=alerts,
        )
        code = await app.run_async()
    return 1 if code is None else code

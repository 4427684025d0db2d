"""A console of several services that really run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import Clock, SystemClock
from streamusage.core.usage import UsageRecord
from streamusage.service.server import RunningService, run_service
from streamusage.service.tokens import Identity, Tokens, digest_of
from tui.app.services.app import ServicesApp
from tui.config.hidden_token import HiddenToken
from tui.config.settings import ConnectionSettings


@asynccontextmanager
async def service_named(
    name: str, directory: Path, records: list[UsageRecord]
) -> AsyncIterator[tuple[RunningService, UsageClient]]:
    """Run a service with records, whose only token is `NAME-token`."""
    tokens = Tokens({digest_of(f"{name}-token"): Identity("boss", "admin")})
    store_url = f"sqlite:///{directory / name}.db"
    async with (
        run_service(store_url=store_url, tokens=tokens, clock=SystemClock()) as running,
        UsageClient(running.url, f"{name}-token") as client,
    ):
        if records:
            await client.import_records(records)
        yield running, client


def settings_of(urls: dict[str, str], *, read_only: tuple[str, ...] = ()) -> ConnectionSettings:
    """Return the settings of these services together, polled five times a second."""
    services = tuple(
        ConnectionSettings(
            url=url,
            profile=name,
            token=HiddenToken(f"{name}-token"),
            poll_interval_s=0.2,
            read_only=name in read_only,
            profiles=urls,
        )
        for name, url in urls.items()
    )
    return ConnectionSettings(
        url="",
        profile=",".join(urls),
        poll_interval_s=0.2,
        read_only=len(read_only) == len(urls),
        profiles=urls,
        services=services,
    )


def console_of(
    clients: dict[str, UsageClient], directory: Path, *, read_only: tuple[str, ...] = (), clock: Clock | None = None
) -> ServicesApp:
    """Return a console of these services."""
    urls = {name: client.base_url for name, client in clients.items()}
    return ServicesApp(
        clients,
        settings_of(urls, read_only=read_only),
        clock=clock or SystemClock(),
        journal_path=directory / "deleted.ndjson",
        reconciled_folder=directory / "reconciled",
    )

"""The client of the service that the settings name."""

from dataclasses import replace

from streamusage.client.http_options import DEFAULT_OPTIONS
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import Clock
from tui.config.settings import ConnectionSettings


def open_client(settings: ConnectionSettings, clock: Clock | None = None) -> UsageClient:
    """Return a client of the service. Raises `InvalidAddressError`."""
    token = settings.token.get_secret_value() if settings.token is not None else None
    options = replace(
        DEFAULT_OPTIONS,
        ca_file=settings.ca_file,
        client_cert=settings.client_cert,
        client_key=settings.client_key,
        proxy=settings.proxy,
        largest_answer_bytes=settings.largest_answer_mb * 1_048_576,
    )
    return UsageClient(settings.url, token, api_version=settings.api_version, clock=clock, options=options)

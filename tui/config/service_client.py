"""The client of the service that the settings name."""

from contextlib import suppress

from msgspec.structs import replace

from streamusage.client.http_options import DEFAULT_OPTIONS
from streamusage.client.network.unused_libraries import UNUSED_LIBRARIES
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import Clock
from streamusage.core.local_service import data_directory, find_token_file
from streamusage.core.secrets import SecretError, read_secret_file
from tui.config.settings import TOKEN_FORM, ConnectionSettings

UNUSED_LIBRARIES.add("trio")  # console and commands run in asyncio's event loop


def open_client(settings: ConnectionSettings, clock: Clock | None = None) -> UsageClient:
    """Return a client of the service. Raises `InvalidAddressError`."""
    options = replace(
        DEFAULT_OPTIONS,
        ca_file=settings.ca_file,
        client_cert=settings.client_cert,
        client_key=settings.client_key,
        proxy=settings.proxy,
        largest_answer_bytes=settings.largest_answer_mb * 1_048_576,
    )
    token = _CurrentToken(settings).read
    return UsageClient(settings.url, token, api_version=settings.api_version, clock=clock, options=options)


class _CurrentToken:
    """The token of the settings, read again for each request: its file may be replaced, or a service start later."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._url = settings.url
        self._file = settings.token_file
        self._is_given = settings.token is not None
        self._known = "" if settings.token is None else settings.token.get_secret_value()

    def read(self) -> str:
        """Return the token; the last one while its file cannot be used, empty without any."""
        file = self._file if self._is_given else find_token_file(self._url, data_directory())
        if file is not None and file.is_file():  # not a pipe, which is read once
            with suppress(SecretError):
                self._known = read_secret_file(file, "", TOKEN_FORM).secret
        return self._known

"""Address and token of a client, from its arguments and the environment.

| token            | is                                                                          |
|------------------|-----------------------------------------------------------------------------|
| `token_file`     | read again for each request, so that it can be replaced                     |
| `token`          | as given; a function is called for each request; `""` sends none            |
| neither          | `STREAMTOP_TOKEN`, else that of this user's own service on this machine     |
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from streamusage.client.addresses import parse_plain
from streamusage.client.api_version import ApiVersion
from streamusage.client.http_options import DEFAULT_OPTIONS, HttpOptions
from streamusage.client.usage_client import UsageClient
from streamusage.core.errors import InvalidArgumentError
from streamusage.core.local_service import data_directory, find_token_file
from streamusage.core.secrets import WORD, SecretError, parse_secret, read_secret_file

DEFAULT_URL = "http://127.0.0.1:5080"

Token = str | Callable[[], str]


def open_client(
    url: str | None,
    *,
    token: Token | None,
    token_file: Path | str | None,
    api_version: ApiVersion,
    timeout_seconds: float,
    computing_seconds: float,
    ca_file: Path | str | None,
    client_cert: Path | str | None,
    client_key: Path | str | None,
    proxy: str | None,
) -> UsageClient:
    """Return a client of the service, which is not connected yet.

    Raises `InvalidArgumentError`, `SecretError` and `InvalidAddressError`.
    """
    if timeout_seconds <= 0 or computing_seconds <= 0:
        raise InvalidArgumentError("timeout_seconds and computing_seconds must be above 0")
    address = find_url(url)
    options = HttpOptions(
        connect_seconds=min(DEFAULT_OPTIONS.connect_seconds, timeout_seconds),
        silence_seconds=min(DEFAULT_OPTIONS.silence_seconds, timeout_seconds),
        answer_seconds=timeout_seconds,
        computing_seconds=computing_seconds,
        ca_file=_path(ca_file),
        client_cert=_path(client_cert),
        client_key=_path(client_key),
        proxy=proxy,
    )
    return UsageClient(address, find_token(address, token, token_file), api_version=api_version, options=options)


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path).expanduser()


def find_url(url: str | None, environment: Mapping[str, str] | None = None) -> str:
    """Return the address: as given, else `STREAMTOP_URL`, else that of a service on this machine."""
    return url or (os.environ if environment is None else environment).get("STREAMTOP_URL") or DEFAULT_URL


def find_token(
    url: str,
    token: Token | None,
    token_file: Path | str | None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Token:
    """Return the token, or a function that reads it. Raises `InvalidArgumentError` and `SecretError`."""
    if token is not None and token_file is not None:
        raise InvalidArgumentError("token and token_file are both given; give one of them")
    if token_file is not None:
        path = Path(token_file).expanduser()
        _read(path)  # a file that cannot be used is an error now, not at the first request
        return lambda: _read(path)
    if token is not None:
        return token
    if given := (os.environ if environment is None else environment).get("STREAMTOP_TOKEN"):
        return parse_secret(given, "environment variable STREAMTOP_TOKEN", WORD)
    return _LocalToken(url, directory).read


class _LocalToken:
    """The token of this user's own service, which may start after the client; else none."""

    def __init__(self, url: str, directory: Path | None) -> None:
        self._url = address.url if (address := parse_plain(url)) else url
        self._directory = directory
        self._known = ""

    def read(self) -> str:
        file = find_token_file(self._url, self._directory or data_directory())
        if file is not None:
            try:
                self._known = _read(file)
            except SecretError:
                return self._known
        return self._known


def _read(path: Path) -> str:
    return read_secret_file(path, f"token file {path}", WORD).secret

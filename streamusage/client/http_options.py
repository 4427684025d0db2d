"""How to connect to a server, and the limits of a reply. Console and agent use one HTTP client for all requests.

| option                 | console to service | agent to service  | agent to media server |
|------------------------|--------------------|-------------------|-----------------------|
| `connect_seconds`      | 5                  | 5, or the timeout | the timeout           |
| `silence_seconds`      | 15                 | the timeout       | the timeout           |
| `answer_seconds`       | 60                 | the timeout       | the timeout           |
| `computing_seconds`    | 300                | never used        | never used            |
| `keepalive_seconds`    | 5                  | 60                | 5                     |
| `largest_answer_bytes` | the profile, 256 MiB | 64 MiB            | 32 MiB                |
| `ca_file`              | the profile        | `[service]`       | `[[source]]`          |
| `client_cert`, `client_key` | the profile       | none              | none                  |
| `proxy`                | the profile, else the environment | `[service]`, else the environment | none |
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec


class HttpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to connect to a service, and the limits of a reply."""

    connect_seconds: float = 5.0
    silence_seconds: float = 15.0
    """Longest pause within a reply."""
    answer_seconds: float = 60.0
    """Longest duration of a whole reply."""
    computing_seconds: float = 300.0
    """As both of them, for a reply that the service computes for long, such as the sums of a month by stream."""
    keepalive_seconds: float = 5.0
    """How long an idle connection is kept."""
    largest_answer_bytes: int = 256 * 1024 * 1024
    """Largest reply that is kept whole. A list of records is read part by part: the limit is that of one record."""
    ca_file: Path | None = None
    """Certificates to trust in addition to the default ones, for a private authority."""
    client_cert: Path | None = None
    """Certificate that is shown to a service that requests one, in PEM; it may contain its key."""
    client_key: Path | None = None
    """The key of that certificate."""
    proxy: str | None = None
    """HTTP proxy; `None` for that of the environment (`HTTPS_PROXY` and related variables)."""
    uses_environment: bool = True
    """Whether the environment may name a proxy. One that serves the internet does not serve this machine."""
    peer: str = "the service"
    """What messages call the other side."""


DEFAULT_OPTIONS = HttpOptions()

PROXY_NEEDS_LOGIN = (
    "the proxy requires a login (407): put user and password into HTTPS_PROXY or HTTP_PROXY of the environment, and "
    "omit `proxy`"
)

_PROXY_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy"})


def has_proxy(options: HttpOptions, environment: Mapping[str, str] | None = None) -> bool:
    """Return whether the options or the environment name a proxy, whose address can be wrong."""
    variables = os.environ if environment is None else environment
    named = any(value and name.lower() in _PROXY_VARIABLES for name, value in variables.items())
    return options.proxy is not None or (named and options.uses_environment)

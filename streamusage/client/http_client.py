"""The HTTP client: TLS, proxy, timeouts and limits. The console and the agent use it for all their requests.

| option                 | console to service | agent to service  | agent to media server |
|------------------------|--------------------|-------------------|-----------------------|
| `connect_seconds`      | 5                  | 5, or the timeout | the timeout           |
| `silence_seconds`      | 15                 | the timeout       | the timeout           |
| `answer_seconds`       | 60                 | the timeout       | the timeout           |
| `keepalive_seconds`    | 5                  | 60                | 5                     |
| `largest_answer_bytes` | the profile, 256 MiB | 64 MiB            | 32 MiB                |
| `ca_file`              | the profile        | `[service]`       | `[[source]]`          |
| `proxy`                | the profile, else the environment | `[service]`, else the environment | none |
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx

from streamusage.client.errors import InvalidAddressError


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """How to connect to a service, and the limits of a reply."""

    connect_seconds: float = 5.0
    silence_seconds: float = 15.0
    """Longest pause within a reply."""
    answer_seconds: float = 60.0
    """Longest duration of a whole reply."""
    keepalive_seconds: float = 5.0
    """How long an idle connection is kept."""
    largest_answer_bytes: int = 256 * 1024 * 1024
    """Largest reply that is kept whole. A list of records is read part by part: the limit is that of one record."""
    ca_file: Path | None = None
    """Certificates to trust in addition to the default ones, for a private authority."""
    proxy: str | None = None
    """HTTP proxy; `None` for that of the environment (`HTTPS_PROXY` and related variables)."""
    uses_environment: bool = True
    """Whether the environment may name a proxy. One that serves the internet does not serve this machine."""
    peer: str = "the service"
    """What messages call the other side."""


def open_http_client(options: HttpOptions) -> httpx.AsyncClient:
    """Return a client. Raises `InvalidAddressError` where the certificates or the proxy are unusable."""
    trust = _trusted_certificates(options.ca_file)
    try:
        return httpx.AsyncClient(
            verify=trust,
            proxy=options.proxy,
            trust_env=options.uses_environment,
            timeout=httpx.Timeout(options.silence_seconds, connect=options.connect_seconds),
            limits=httpx.Limits(
                max_connections=100, max_keepalive_connections=20, keepalive_expiry=options.keepalive_seconds
            ),
        )
    except (ValueError, ImportError, httpx.InvalidURL):  # their texts may contain the proxy's login
        raise InvalidAddressError(
            "the environment names a proxy that cannot be used: HTTPS_PROXY, HTTP_PROXY and ALL_PROXY must be "
            "http:// or https:// addresses; correct them, set `proxy`, or add this host to NO_PROXY"
        ) from None


def _trusted_certificates(ca_file: Path | None) -> ssl.SSLContext | bool:
    """Return the usual certificates, or with those of a private authority. Raises `InvalidAddressError`."""
    if ca_file is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidAddressError(f"the certificates in {ca_file} cannot be used: {error}") from None
    return context


def describe_failure(error: httpx.HTTPError, options: HttpOptions) -> str:
    """Return why no connection was made, and what an operator can do about it; empty where that is unknown."""
    text = str(error)
    if isinstance(error, httpx.ProxyError) and "407" in text:
        return PROXY_NEEDS_LOGIN
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {options.connect_seconds:g} s"
    if isinstance(error, httpx.ReadTimeout):
        return f"{options.peer} stopped responding"
    if isinstance(error, httpx.WriteTimeout):
        return f"{options.peer} stopped reading the request"
    if isinstance(error, httpx.TimeoutException):
        return "the request timed out"
    if isinstance(error, httpx.RemoteProtocolError):
        return "the connection was closed early, or the server there does not use HTTP"
    if not isinstance(error, httpx.ConnectError):
        return ""
    if "certificate" in text.lower():
        return (
            f"its certificate is not trusted ({text}); if a private authority signed it, set ca_file to the file of "
            "its certificate"
        )
    if "not known" in text or "resolution" in text or "getaddrinfo" in text:
        return "no such host; check the address"
    between = " and its proxy" if options.proxy is not None else ""
    return f"nothing answers there; is {options.peer}{between} running, and is the address right?"


PROXY_NEEDS_LOGIN = (
    "the proxy requires a login (407): put user and password into HTTPS_PROXY or HTTP_PROXY of the environment, and "
    "omit `proxy`"
)

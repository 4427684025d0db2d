"""The one HTTP client, for services and media servers: TLS, proxy, timeouts and limits (`http_options.HttpOptions`)."""

import ssl

from streamusage.client.certificates import trust_of_authority
from streamusage.client.errors import InvalidAddressError
from streamusage.client.http_options import PROXY_NEEDS_LOGIN, HttpOptions
from streamusage.client.httpx_import import httpx


def open_http_client(options: HttpOptions, trust: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """Return a client that trusts `trust`, else the authority of `ca_file`, else the usual certificates.

    Raises `InvalidAddressError` where the certificates or the proxy are unusable.
    """
    if trust is None and options.ca_file is not None:
        trust = trust_of_authority(options.ca_file)
    try:
        return httpx.AsyncClient(
            verify=True if trust is None else trust,
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

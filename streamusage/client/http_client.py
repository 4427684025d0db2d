"""The one HTTP client, for services and media servers: TLS, proxy, timeouts and limits (`http_options.HttpOptions`)."""

import ssl

from streamusage import __version__
from streamusage.client.certificates import trust_of_options
from streamusage.client.errors import InvalidAddressError
from streamusage.client.http_options import HttpOptions
from streamusage.client.httpx_import import httpx
from streamusage.client.network.unused_libraries import UNUSED_LIBRARIES, hide_libraries

USER_AGENT = f"streamtop/{__version__}"


def open_http_client(
    options: HttpOptions, trust: ssl.SSLContext | None = None, *, proxy: str | None = None
) -> httpx.AsyncClient:
    """Return a client that trusts `trust`, else the certificates of the options, else the usual ones.

    `proxy` is the URL of the chosen proxy, empty for none; by default that of the options. Raises
    `InvalidAddressError` where the certificates or the proxy are unusable.
    """
    if trust is None:
        trust = trust_of_options(options) or httpx.create_ssl_context(trust_env=options.uses_environment)
    chosen = options.proxy if proxy is None else proxy
    try:
        chosen_proxy = _open_proxy(chosen, trust)
        with hide_libraries(UNUSED_LIBRARIES):  # the first client imports httpcore
            return httpx.AsyncClient(
                verify=trust,
                proxy=chosen_proxy,
                trust_env=False,  # the proxy of the environment is chosen before: httpx knows no networks in NO_PROXY
                headers={"User-Agent": USER_AGENT},
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


def _open_proxy(url: str | None, trust: ssl.SSLContext) -> httpx.Proxy | None:
    if not url:
        return None
    return httpx.Proxy(url, ssl_context=trust if url.startswith("https:") else None)

"""HTTP transport of the usage API client: address, token and connection of one service.

httpx is imported with the first request, in a thread, so that a console shows its first frame and takes keys meanwhile.
Where the address, the certificates or the proxy can be wrong, it is checked at once:

    | setting                              | checked          | by                          |
    |--------------------------------------|------------------|-----------------------------|
    | a plain address, without a proxy     | at once          | `addresses.parse_plain`     |
    | any other address; a proxy           | at once          | httpx, imported for it      |
    | `ca_file`, `client_cert`             | at once          | `certificates`              |
"""

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import msgspec

from streamusage.client.addresses import ServiceAddress, parse_plain
from streamusage.client.certificates import trust_of_nobody, trust_of_options
from streamusage.client.errors import InvalidAddressError, InvalidAnswerError
from streamusage.client.http_options import DEFAULT_OPTIONS, HttpOptions, has_proxy
from streamusage.client.network.proxies import chosen_proxy, proxy_name
from streamusage.client.requests import ApiRequest, Receive, Reply, Sender

if TYPE_CHECKING:
    from streamusage.client.http_exchange import HttpExchange


_EXCHANGE = "streamusage.client.http_exchange"


class HttpTransport:
    """Connection to one service, and its token, which a function reads for each request where it may change.

    Raises `InvalidAddressError` where the address, the token, the certificates or the proxy are unusable.
    """

    def __init__(
        self, base_url: str, token: str | Callable[[], str] | None, options: HttpOptions = DEFAULT_OPTIONS
    ) -> None:
        self._address = parse_plain(base_url) or _parse_any(base_url)
        self._read_token = token if callable(token) else None
        self._token = "" if callable(token) else _parse_token(token)
        """The token of the last request."""
        self._sent_tokens = {self._token}
        self._options = options
        self._trust = trust_of_options(options)
        self._exchange = self._open_exchange() if has_proxy(options) else None
        self._opening = asyncio.Lock()
        self.proxy_name = proxy_name(chosen_proxy(self._address.scheme, self._address.host, options))
        """The proxy of the requests, for messages; empty where there is none."""
        self.base_url = self._address.url
        self.host = self._address.host
        """Host and port, used in messages."""

    async def close(self) -> None:
        """Close the connections."""
        if self._exchange is not None:
            await self._exchange.close()

    async def send(self, api_request: ApiRequest, receive: Receive | None = None) -> Reply:
        """Send a request and return its complete reply, whatever its status.

        With `receive`, the body of a reply with status 200 is passed to it part by part as it arrives, and the reply
        has none. Raises `UnreachableError` or `InvalidAnswerError`.
        """
        exchange = self._exchange or await self._open()
        sender = self._sender()
        reply = await exchange.send(api_request, sender, receive)
        if reply.status in (401, 403) and api_request.with_token and (newest := self._sender()).token != sender.token:
            # The token was replaced while the request was on its way, as by a service that starts.
            reply = await exchange.send(api_request, newest, receive)
        return reply

    def _sender(self) -> Sender:
        """Return the sender of a request, with the token of now."""
        if self._read_token is not None:
            self._token = _parse_token(self._read_token())
            self._sent_tokens.add(self._token)
        return Sender(self.host, self._token, self.without_token, self.check_size)

    async def _open(self) -> "HttpExchange":
        """Open the exchange; in a thread, unless httpx is imported and no certificates are read."""
        async with self._opening:
            if self._exchange is None:
                is_quick = _EXCHANGE in sys.modules and self._address.scheme == "http"
                self._exchange = self._open_exchange() if is_quick else await asyncio.to_thread(self._open_exchange)
            return self._exchange

    def _open_exchange(self) -> "HttpExchange":
        from streamusage.client.http_exchange import HttpExchange

        trust = self._trust
        if trust is None and self._address.scheme == "http":
            trust = trust_of_nobody()
        return HttpExchange(self._address, self._options, trust)

    def check_size(self, size: int, action: str) -> None:
        """Raise `InvalidAnswerError` where so many bytes are more than may be kept of a reply."""
        limit = self._options.largest_answer_bytes
        if size > limit:
            raise InvalidAnswerError(self.host, action, f"the reply is larger than {limit // 1_048_576 or limit} MB")

    def without_token(self, text: str) -> str:
        """Return the text without the token in any form: plain, and as encoded in URLs, JSON and XML."""
        for token in filter(None, self._sent_tokens):
            from html import escape

            in_json = msgspec.json.encode(token)[1:-1].decode()
            forms = {
                token,
                quote(token, safe=""),
                urlencode({"": token})[1:],
                in_json,
                escape(token),
                escape(token, quote=False),
            }
            for form in sorted(forms, key=len, reverse=True):
                text = text.replace(form, "•••")
        return text


def _parse_any(base_url: str) -> ServiceAddress:
    from streamusage.client.http_exchange import parse_address

    return parse_address(base_url)


def _parse_token(token: str | None) -> str:
    token = (token or "").strip()
    if not token.isprintable() or not token.isascii():
        raise InvalidAddressError("the token contains characters that are not printable ASCII; check its file")
    return token

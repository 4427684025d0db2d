"""Posts messages to receivers over HTTP. Neither a URL's path nor a header appears in a log or an error text.

A redirect is not followed: it would carry the secrets of the headers elsewhere.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from streamusage.api.alerts import AlertMessage
from streamusage.client.certificates import trust_of_nobody
from streamusage.client.errors import InvalidAddressError
from streamusage.client.http_client import open_http_client
from streamusage.client.http_options import HttpOptions
from streamusage.client.httpx_import import httpx
from streamusage.client.network.failures import describe_failure
from streamusage.client.network.proxies import chosen_proxy, proxy_name
from streamusage.client.network.retry_after import retry_after_seconds
from streamusage.core.secrets import SecretError
from streamusage.core.text import remove_secrets, shorten_line
from streamusage.service.alerts.forms import body_of, url_of
from streamusage.service.alerts.retries import DeliveryAttempt
from streamusage.service.alerts.settings import Receiver

IDEMPOTENCY_KEY = "Idempotency-Key"
"""The header with the id of a message: a receiver may ignore a second message with the same one."""
RESENDS_UNTIL_EXPIRY = 4
"""Alertmanager forgets an alert after so many resends that did not reach it."""
_LARGEST_ANSWER_BYTES = 16 * 1024
_SHORTEST_SECRET = 4
"""Shorter texts occur in any answer."""

_is_posting: ContextVar[bool] = ContextVar("streamtop_is_posting", default=False)


class _Client(NamedTuple):
    receiver: Receiver
    http: httpx.AsyncClient
    options: HttpOptions
    proxy: str
    """Name of the proxy that is used; empty for none."""


class Poster:
    """The HTTP clients of the receivers, each opened when it is needed."""

    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}

    async def post(self, receiver: Receiver, message: AlertMessage, now_ms: int) -> DeliveryAttempt:
        """Post a message once and return the outcome. Raises nothing but cancellation."""
        began = time.perf_counter()
        try:
            url, headers = _read_secrets(receiver)
        except SecretError as error:
            return DeliveryAttempt(None, str(error), 0)
        secrets = [url, *headers.values()]
        try:
            client = await self._client(receiver, url)
            with _posting():
                async with asyncio.timeout(receiver.timeout_ms / 1000):
                    status, body, retry_after = await _exchange(client, url, headers, message, now_ms)
        except TimeoutError:
            answer = f"no complete answer within {receiver.timeout_ms / 1000:g} s"
            return DeliveryAttempt(None, answer, _took_ms(began))
        except httpx.HTTPError as error:
            return DeliveryAttempt(None, self._describe(receiver, url, error, secrets), _took_ms(began))
        except (InvalidAddressError, httpx.InvalidURL, ValueError) as error:
            return DeliveryAttempt(None, _without(secrets, str(error)), _took_ms(began))
        except OSError as error:
            return DeliveryAttempt(None, _without(secrets, error.strerror or str(error)), _took_ms(began))
        answer = _without(secrets, body.decode(errors="replace"))
        return DeliveryAttempt(status, answer, _took_ms(began), retry_after)

    async def close(self) -> None:
        """Close all connections."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.http.aclose()

    async def _client(self, receiver: Receiver, url: str) -> _Client:
        known = self._clients.get(receiver.name)
        if known is not None and known.receiver == receiver:
            return known
        seconds = receiver.timeout_ms / 1000
        options = HttpOptions(
            connect_seconds=seconds,
            silence_seconds=seconds,
            ca_file=receiver.ca_file,
            proxy=receiver.proxy,
            peer="the receiver",
        )
        parsed = httpx.URL(url)
        proxy = chosen_proxy(parsed.scheme, parsed.netloc.decode("ascii", "replace"), options)
        # Reading the certificates takes long enough to delay answers.
        trust = trust_of_nobody() if parsed.scheme == "http" and not proxy else None
        http = await asyncio.to_thread(open_http_client, options, trust, proxy=proxy)
        self._clients[receiver.name] = opened = _Client(receiver, http, options, proxy_name(proxy))
        if known is not None:
            await known.http.aclose()
        return opened

    def _describe(self, receiver: Receiver, url: str, error: httpx.HTTPError, secrets: list[str]) -> str:
        client = self._clients.get(receiver.name)
        options = HttpOptions(peer="the receiver") if client is None else client.options
        proxy = "" if client is None else client.proxy
        text = describe_failure(error, options, scheme=url.partition(":")[0], proxy=proxy)
        return text or _without(secrets, str(error)) or f"the request failed: {type(error).__name__}"


async def _exchange(
    client: _Client, url: str, headers: Mapping[str, str], message: AlertMessage, now_ms: int
) -> tuple[int, bytes, float | None]:
    receiver = client.receiver
    content = body_of(receiver.format, message, now_ms + RESENDS_UNTIL_EXPIRY * receiver.resend_ms)
    own = {"Content-Type": "application/json", IDEMPOTENCY_KEY: message.id, **headers}
    body = bytearray()
    async with client.http.stream("POST", url_of(receiver.format, url), content=content, headers=own) as response:
        async for part in response.aiter_bytes():
            body += part
            if len(body) >= _LARGEST_ANSWER_BYTES:
                break
        return response.status_code, bytes(body), retry_after_seconds(response.headers.get("retry-after"), now_ms)


def _read_secrets(receiver: Receiver) -> tuple[str, dict[str, str]]:
    url = receiver.url.read(f"the URL of the receiver {receiver.name}")
    headers = {
        name: secret.read(f"the header {name} of the receiver {receiver.name}")
        for name, secret in receiver.headers.items()
    }
    return url, headers


def _without(secrets: list[str], text: str) -> str:
    """Return the text as one line, without the secrets and without their parts behind a scheme or a host."""
    for secret in secrets:
        parts = {secret, secret.rpartition(" ")[2], secret.partition("://")[2].partition("/")[2]}
        for part in sorted((part for part in parts if len(part) >= _SHORTEST_SECRET), key=len, reverse=True):
            text = text.replace(part, "•••")
    return shorten_line(remove_secrets(text))


def _took_ms(began: float) -> int:
    return round(1000 * (time.perf_counter() - began))


@contextmanager
def _posting() -> Iterator[None]:
    token = _is_posting.set(True)
    try:
        yield
    finally:
        _is_posting.reset(token)


def _hide_url(record: logging.LogRecord) -> bool:
    if _is_posting.get() and isinstance(record.args, tuple):
        record.args = tuple(arg.copy_with(raw_path=b"/") if isinstance(arg, httpx.URL) else arg for arg in record.args)
    return True


# httpx logs the URL of each request at INFO, and the path of a webhook is its secret.
logging.getLogger("httpx").addFilter(_hide_url)

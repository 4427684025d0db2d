"""Map a reply of a service to its content, or to the exception that its status and body call for.

The text of a failure quotes the service's own message where it sent one, without the token.
"""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from streamusage.api.daily import DailySums, SummedStatistics
from streamusage.client.errors import InvalidAnswerError, NotFoundError, RefusedError, UnreachableError
from streamusage.client.faulty.error_bodies import documented_message, quoted_message
from streamusage.client.http_options import PROXY_NEEDS_LOGIN
from streamusage.client.requests import Reply
from streamusage.client.transport import HttpTransport

Content = TypeVar("Content")

_ROWS_AT_A_TIME = 50
"""Rows that are decoded in about half a millisecond."""


def raise_for_status(transport: HttpTransport, reply: Reply, action: str) -> None:
    """Raise the `UsageApiError` that matches the reply's status, unless it is a success.

    `action` names what the client tried to do, for the text of the exception.
    """
    status = reply.status
    if status in (200, 201, 204):
        return
    if status == 407:
        raise UnreachableError(transport.host, action, PROXY_NEEDS_LOGIN, status=status)
    message = error_message(transport, reply)
    quoted = message or _quote(transport, reply)
    cause = f"HTTP {status}" + (f", “{quoted}”" if quoted else "")
    if transport.proxy_name and not message and status in (403, 500, 502, 503, 504):
        cause += f", from the proxy {transport.proxy_name} or from the service behind it"
    if status == 400 and not message and (hint := _tls_hint(transport, reply.body)):
        raise InvalidAnswerError(transport.host, action, f"{cause}: {hint}", status=status)
    if status in (400, 401, 403, 409, 422):
        hint = "; check the token" if status in (401, 403) or "token" in quoted.lower() else ""
        raise RefusedError(transport.host, action, cause + hint, status=status)
    if status == 404 and message:
        raise NotFoundError(transport.host, action, cause, status=status)
    if status in (408, 425, 429) or status >= 500:
        raise UnreachableError(
            transport.host, action, cause, status=status, retry_after_seconds=_retry_after_seconds(reply)
        )
    if 300 <= status < 400:
        target = _redirect_target(transport, reply)
        cause += f": the service redirects to {target}; " if target else ": the service redirects; "
        raise InvalidAnswerError(transport.host, action, f"{cause}check the address", status=status)
    raise InvalidAnswerError(
        transport.host,
        action,
        f"{cause}: this is not the usage API of a Stream Manager; check the address",
        status=status,
    )


def _tls_hint(transport: HttpTransport, body: bytes) -> str:
    """Return what to do where a web server reports a wrong scheme, or a missing certificate; else nothing."""
    text, is_encrypted = body[:4096].lower(), transport.base_url.startswith("https:")
    if is_encrypted and b"ssl certificate" in text:
        return "the service requires a client certificate; set client_cert and client_key"
    if not is_encrypted and (b"https" in text or b"requires tls" in text):
        return "the server there uses TLS; the address must start with https://"
    return ""


def _redirect_target(transport: HttpTransport, reply: Reply) -> str:
    """Return where a reply redirects, without query and login: they may contain a token."""
    location = transport.without_token(reply.headers.get("Location", ""))
    target = location.partition("?")[0].partition("#")[0]
    scheme, separator, rest = target.partition("//" if target.startswith("//") else "://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"[:200]


def _retry_after_seconds(reply: Reply) -> float | None:
    """Return how long the service wants to be left alone. A date is compared with the service's own clock."""
    value = reply.headers.get("Retry-After")
    if value is None:
        return None
    from streamusage.client.network.retry_after import date_ms, retry_after_seconds

    now_ms = date_ms(reply.headers.get("Date"))
    return retry_after_seconds(value, time.time_ns() // 1_000_000 if now_ms is None else now_ms)


def decode_reply(
    transport: HttpTransport, reply: Reply, action: str, kind: type[Content], *, repair: bool = False
) -> Content:
    """Return the content of a successful reply as `kind`; with `repair`, values that are no JSON are objects.

    Raises what `raise_for_status` raises, and `InvalidAnswerError` where the body is not a `kind`.
    """
    raise_for_status(transport, reply, action)
    try:
        return decode_content(transport, reply, action, kind)
    except InvalidAnswerError:
        if not repair:
            raise
        from streamusage.client.faulty.json_repair import mark_unreadable_values

        repaired = mark_unreadable_values(reply.body)
        if repaired == reply.body:
            raise
    return decode_content(transport, reply._replace(body=repaired), action, kind)


def decode_content(transport: HttpTransport, reply: Reply, action: str, kind: type[Content]) -> Content:
    """Return the content of a reply as `kind`, whatever its status. Raises `InvalidAnswerError`."""
    if message := error_message(transport, reply):
        raise InvalidAnswerError(transport.host, action, f"HTTP {reply.status} with an error in it, “{message}”")
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        from streamusage.client.record_decoding import describe_body

        is_json = reply.body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))
        cause = (
            f"broken JSON: {transport.without_token(str(error))}"
            if is_json and not quoted_message(reply.body)
            else f"the reply {transport.without_token(describe_body(reply.body))}"
        )
        raise InvalidAnswerError(transport.host, action, cause) from None


class EncodedSums(msgspec.Struct, frozen=True, kw_only=True):
    """`DailySums` whose rows are still JSON: a month of thousands of streams takes too long to decode at once."""

    now: int
    account_zones: list[str] = []
    sums: list[msgspec.Raw]


async def decode_sums(
    transport: HttpTransport, encoded: EncodedSums, action: str, pause: Callable[[], Awaitable[None]]
) -> DailySums:
    """Return the sums, decoded in slices between which `pause` is awaited. Raises `InvalidAnswerError`."""
    decoder, rows = msgspec.json.Decoder(SummedStatistics), list[SummedStatistics]()
    for start in range(0, len(encoded.sums), _ROWS_AT_A_TIME):
        try:
            rows += map(decoder.decode, encoded.sums[start : start + _ROWS_AT_A_TIME])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            cause = f"a sum that cannot be used: {transport.without_token(str(error))}"
            raise InvalidAnswerError(transport.host, action, cause) from None
        await pause()
    return DailySums(now=encoded.now, account_zones=encoded.account_zones, sums=rows)


def error_message(transport: HttpTransport, reply: Reply) -> str:
    """Return the message of the documented error body, without the token; empty where the body is another."""
    message = documented_message(reply.body)
    return "" if message is None else transport.without_token(message)[:500] or "no reason given"


def _quote(transport: HttpTransport, reply: Reply) -> str:
    """Return the message of an error body of whatever shape, without the token; empty where there is none."""
    return transport.without_token(quoted_message(reply.body))[:500]


def lacks_extension(transport: HttpTransport, reply: Reply) -> bool:
    """Return whether the first reply on a path of our extension shows that the service does not have it."""
    if reply.status in (401, 403):
        return not error_message(transport, reply)
    if reply.status == 200:
        return not reply.body.lstrip().startswith(b"{") or bool(quoted_message(reply.body))
    return 300 <= reply.status < 500 and reply.status not in (408, 409, 413, 422, 429)

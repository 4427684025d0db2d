"""Parses requests: query parameters, the undecoded path, and a body within limits.

A query is parsed strictly where it decides what is deleted: a parameter that is empty, unknown or repeated with
another value is refused, never ignored.
"""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import unquote_plus, unquote_to_bytes

import msgspec
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request

from streamusage.core.coverage import Interval
from streamusage.core.usage import EmptyNameError, StreamId, parse_stream_path
from streamusage.core.windows import check_window
from streamusage.service.http.errors import NOT_FOUND, ApiError
from streamusage.service.http.operations import LARGEST_NUMBER, LARGEST_PAGE
from streamusage.service.limits import MIB, Limits

_STEP_BYTES = 64 * 1024
_LARGEST_PIECE_BYTES = MIB
"""How much of a compressed body is decompressed in one step, and how much may come out of it."""

_FREE_BYTES = MIB
"""A body up to this size may be compressed at any ratio."""

_IN_LOOP_BYTES = 64 * 1024
"""A larger body is processed in a thread, so that other requests do not wait for it."""

Content = TypeVar("Content")
_TOKEN = re.compile(r"(accessToken(?:=|%3D))[^&?%\s]*", re.IGNORECASE)
_NUMBER = re.compile(r"-?[0-9]{1,16}")


class _Anything(Convertor[str]):
    """The rest of a path, whatever it contains: the stock `path` stops at a line break, which a name may contain."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("anything", _Anything())


class Query:
    """The query parameters of a request."""

    def __init__(self, request: Request) -> None:
        self._values: dict[str, set[str]] = {}
        text = request.scope["query_string"].decode("latin-1")
        # The documents show `?accessToken=x?accessToken=x`: a second question mark separates parameters, too.
        # As part of a value it could hide a startTime, and deleting one session would delete all of the stream's.
        for pair in re.split("[&?]", text):
            if pair:
                name, _, value = pair.partition("=")
                self._values.setdefault(unquote_plus(name), set()).add(unquote_plus(value))

    def text(self, name: str) -> str | None:
        """Return the value of a parameter, `None` if it is absent. A repetition with the same value is allowed."""
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise ApiError(400, f"{name} is given more than once with different values")
        return next(iter(values))

    def number(self, name: str) -> int | None:
        """Return a whole number, `None` if it is absent."""
        value = self.text(name)
        if value is None:
            return None
        if not _NUMBER.fullmatch(value) or abs(int(value)) > LARGEST_NUMBER:
            raise ApiError(400, f"{name} must be a whole number, such as 1525079735737")
        return int(value)

    def require_number(self, name: str) -> int:
        """Return a whole number. Raises 400 if it is absent."""
        value = self.number(name)
        if value is None:
            raise ApiError(400, f"{name} is missing")
        return value

    def require_text(self, name: str) -> str:
        """Return the value of a parameter. Raises 400 if it is absent or empty."""
        value = self.text(name)
        if not value:
            raise ApiError(400, f"{name} is missing")
        return value

    def page_size(self, default: int) -> int:
        """Return the value of `limit`, the most rows of a page."""
        limit = self.number("limit")
        if limit is None:
            return default
        if not 1 <= limit <= LARGEST_PAGE:
            raise ApiError(400, f"limit must be from 1 to {LARGEST_PAGE}")
        return limit

    def allow_only(self, names: Collection[str]) -> None:
        """Refuse unknown parameters: a misspelled one must not be ignored."""
        if not self._values.keys() <= set(names):
            raise ApiError(400, f"unknown parameter; nothing was done; allowed: {', '.join(sorted(names))}")


def window_of(query: Query) -> Interval:
    """Return the window of the parameters `from` and `to`. Raises `WindowError`."""
    return check_window(query.require_number("from"), query.require_number("to"))


def optional_window_of(query: Query) -> Interval:
    """Return the window of the parameters `from` and `to`; all time where they are absent. Raises `WindowError`."""
    from_ms, to_ms = query.number("from"), query.number("to")
    return check_window(from_ms or 0, LARGEST_NUMBER if to_ms is None else to_ms, may_be_negative=True)


def raw_path(request: Request) -> str:
    """Return the path as it was sent, percent-encoding included."""
    raw: bytes = request.scope["raw_path"]
    try:
        unquote_to_bytes(raw).decode("utf-8")
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise ApiError(400, "the path is not percent-encoded UTF-8") from None


def redact_path(path: str) -> str:
    """Return a path that is safe to log: without a token that slipped into it, and without control characters."""
    return ascii(_TOKEN.sub(r"\1[redacted]", path))[1:-1]


def path_below(request: Request, prefix: str) -> str:
    """Return the undecoded path after `prefix`. Raises 404 if the path only matches after decoding."""
    path = raw_path(request)
    if not path.startswith(prefix):
        raise ApiError(404, NOT_FOUND)
    return path[len(prefix) :]


def parse_stream(raw_stream_path: str) -> StreamId:
    """Return the stream that an undecoded path names. Raises 400 if it names none."""
    try:
        return parse_stream_path(raw_stream_path)
    except EmptyNameError as error:
        raise ApiError(400, f"{error}; nothing was done") from None


class BodyLimit(NamedTuple):
    """The largest body of an operation, compressed or not."""

    size_bytes: int
    setting: str = ""
    """The field of `Limits` that sets it; empty for a fixed limit."""


class RequestBodies:
    """Reads bodies within limits, and at most `total_limit` bytes of them in memory at once."""

    def __init__(self, limits: Limits, total_limit: int) -> None:
        self._limits = limits
        self._total_limit = total_limit
        self._held = 0

    def reserve(self, size: int) -> bool:
        """Count a body that is complete already, until `release`. Return `False` if that exceeds the total limit."""
        if self._held + size > self._total_limit:
            return False
        self._held += size
        return True

    def release(self, size: int) -> None:
        """Stop counting a body that was reserved."""
        self._held -= size

    @asynccontextmanager
    async def read_body(self, request: Request, limit: BodyLimit) -> AsyncIterator[bytes]:
        """The decompressed body, for as long as the block runs. Raises 413 if it is too large, 503 if all bodies
        together are.
        """
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"gzip", "x-gzip", "identity", ""}:
            raise ApiError(415, "the body must be plain or gzip-compressed")
        held = 0
        try:
            received = bytearray()  # grows in place: joined pieces would take twice the memory
            async for piece in request.stream():
                held += len(piece)
                self._held += len(piece)
                if held > limit.size_bytes:
                    raise _too_large(limit, self._limits)
                self._check_all()
                received += piece
            body = cast(bytes, received)  # a copy would double the memory, and readers need no `bytes`
            if encoding not in {"identity", ""}:
                body = await asyncio.to_thread(inflate, body, limit, self._limits)
                held += len(body)
                self._held += len(body)
                self._check_all()
            yield body
        except ClientDisconnect:
            raise ApiError(400, "the request ended early; nothing was done") from None
        finally:
            self._held -= held

    def _check_all(self) -> None:
        if self._held > self._total_limit:
            raise ApiError(503, "too many bodies are being received; nothing was done; retry", {"Retry-After": "5"})


def inflate(body: bytes, limit: BodyLimit, limits: Limits) -> bytes:
    """Return the decompressed gzip data, in time that is proportional to its size. The steps are small, and each
    releases the interpreter's lock.

    Raises `LimitExceededError`, and 400 for data that is not gzip.
    """
    unpacked = bytearray()
    members = 0
    longest = max(_FREE_BYTES, limits.compression_ratio * len(body))
    member: Any = None
    try:
        for start in range(0, len(body), _STEP_BYTES):
            step = body[start : start + _STEP_BYTES]
            while step or (member is not None and member.unconsumed_tail):
                if member is None:
                    members += 1
                    if members > limits.gzip_members:
                        raise limits.exceeded("gzip_members", "the gzip-compressed body has more members")
                    member = zlib.decompressobj(wbits=31)
                unpacked += member.decompress(step, _LARGEST_PIECE_BYTES)
                if len(unpacked) > limit.size_bytes:
                    raise _too_large(limit, limits)
                if len(unpacked) > longest:
                    what = f"{len(body):,} bytes became {len(unpacked):,} or more"
                    raise limits.exceeded("compression_ratio", what)
                step = member.unconsumed_tail
                if member.eof:
                    step, member = member.unused_data, None
    except zlib.error:
        raise ApiError(400, "the body is not valid gzip; nothing was done") from None
    if member is not None or not members:
        raise ApiError(400, "the gzip-compressed body is truncated; nothing was done")
    return cast(bytes, unpacked)  # as above


async def decode_body(body: bytes, kind: type[Content]) -> Content:
    """Return the JSON body as `kind`. Raises `msgspec.ValidationError` for JSON of another form, 400 for invalid
    JSON.
    """
    if len(body) <= _IN_LOOP_BYTES:
        return _decoded(body, kind)
    return await asyncio.to_thread(_decoded, body, kind)


def _decoded(body: bytes, kind: type[Content]) -> Content:
    try:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError:
            # The form was rejected before the end: the rest may be invalid JSON. Nothing is built of it.
            msgspec.json.decode(body, type=msgspec.Raw)
            raise
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(400, f"the body is not valid JSON: {error}; nothing was done") from None


def _too_large(limit: BodyLimit, limits: Limits) -> Exception:
    if limit.setting:
        return limits.exceeded(limit.setting, "the body is larger")
    return ApiError(413, f"the body is larger than {limit.size_bytes} bytes; nothing was done")

"""JSON responses: compressed if the client accepts it, and sent in pieces, so that a slow client delays one piece
only.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from streamusage.service.http.errors import JSON
from streamusage.service.http.timed_json import COMPRESS_FROM_BYTES, TimedJson
from streamusage.service.queries.record_list import EncodedList, compress_body

_IN_LOOP_BYTES = 64 * 1024
_PIECE_BYTES = 256 * 1024


def encoding_for(request: Request) -> str:
    """Return the best content coding that the client accepts: `zstd`, `gzip`, or none."""
    accepted = set()
    for offer in request.headers.get("accept-encoding", "").lower().split(","):
        coding, _, parameters = offer.partition(";")
        if parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            accepted.add(coding.strip())
    return next((coding for coding in ("zstd", "gzip") if coding in accepted), "")


def json_response(content: object, status: int = 200) -> Response:
    """Build a JSON response without compression. `content` is anything that msgspec can encode."""
    return Response(msgspec.json.encode(content), status, media_type=JSON)


async def compressed_json(request: Request, content: object) -> Response:
    """Build a JSON response, compressed if it is worth it. `content` is anything that msgspec can encode."""
    body = msgspec.json.encode(content)
    encoding = encoding_for(request) if len(body) >= COMPRESS_FROM_BYTES else ""
    if encoding:
        small = len(body) <= _IN_LOOP_BYTES
        body = compress_body(body, encoding) if small else await asyncio.to_thread(compress_body, body, encoding)
    return encoded_json(body, encoding, {})


async def timed_json(request: Request, content: TimedJson, now_ms: int) -> Response:
    """Build a response of JSON that is encoded already, except for its time."""
    encoding = encoding_for(request) if content.is_worth_compressing else ""
    if content.is_compressed(encoding):
        return encoded_json(content.body(now_ms, encoding), encoding, {})
    return encoded_json(await asyncio.to_thread(content.body, now_ms, encoding), encoding, {})


def encoded_json(body: bytes, encoding: str, headers: dict[str, str]) -> Response:
    """Build a response of JSON that is encoded and compressed already."""
    return list_json(EncodedList([body], len(body)), encoding, headers)


def list_json(body: EncodedList, encoding: str, headers: dict[str, str]) -> Response:
    """Build a response of a list that is encoded and compressed already, sent from its parts."""
    headers = {"Vary": "Accept-Encoding"} | headers | ({"Content-Encoding": encoding} if encoding else {})
    if body.size_bytes <= _PIECE_BYTES:
        return Response(b"".join(body.pieces()), headers=headers, media_type=JSON)
    headers["Content-Length"] = str(body.size_bytes)
    return StreamingResponse(_pieces(body), headers=headers, media_type=JSON)


async def _pieces(body: EncodedList) -> AsyncIterator[memoryview]:
    for piece in body.pieces():
        view = memoryview(piece)
        for start in range(0, len(view), _PIECE_BYTES):
            yield view[start : start + _PIECE_BYTES]

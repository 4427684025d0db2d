"""JSON of a reply that is the same at any time except for `now`, its first field: encoded and compressed once.

`now` is put before the encoded rest, in the compressed forms as an uncompressed block of the same stream: a gzip member
consists of deflate blocks (RFC 1951), a zstd frame of blocks (RFC 8878), and the rest never refers to what precedes it.
"""

import zlib
from typing import Protocol

import msgspec
import zstandard

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_GZIP_LEVEL = 2
_ZSTD_LEVEL = 3
COMPRESS_FROM_BYTES = 1_400


class Timed(Protocol):
    """A struct whose first field is `now`."""

    @property
    def now(self) -> int:
        """The service's clock."""
        ...


class TimedJson:
    """An encoded reply for any `now`. Safe for several threads."""

    def __init__(self, content: Timed) -> None:
        body = msgspec.json.encode(content)
        head = _head(content.now)
        if not body.startswith(head):
            raise ValueError(f"the first field of {type(content).__name__} is not now")
        self._rest = body[len(head) :]
        self._compressed: dict[str, bytes] = {}

    @property
    def size_bytes(self) -> int:
        """Memory that it occupies, in all forms that were used."""
        return len(self._rest) + sum(map(len, list(self._compressed.values())))

    def is_compressed(self, encoding: str) -> bool:
        """Return whether no more work than putting `now` in front is needed."""
        return not encoding or encoding in self._compressed

    @property
    def is_worth_compressing(self) -> bool:
        """Whether the reply is large enough."""
        return len(self._rest) >= COMPRESS_FROM_BYTES

    def body(self, now_ms: int, encoding: str) -> bytes:
        """Return the reply at a time, compressed as `encoding` names: `gzip`, `zstd`, or not."""
        head = _head(now_ms)
        if not encoding:
            return head + self._rest
        compressed = self._compressed.get(encoding)
        if compressed is None:
            compressed = self._compressed[encoding] = _compress(self._rest, encoding)
        if encoding == "zstd":
            return _join_zstd(head, len(self._rest), compressed)
        return _join_gzip(head, self._rest, compressed)


def _head(now_ms: int) -> bytes:
    return b'{"now":%d' % now_ms


def _compress(rest: bytes, encoding: str) -> bytes:
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_content_size=False).compress(rest)
    deflate = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(rest) + deflate.flush()


def _join_gzip(head: bytes, rest: bytes, deflated: bytes) -> bytes:
    stored = b"\x00" + len(head).to_bytes(2, "little") + (0xFFFF - len(head)).to_bytes(2, "little") + head
    checksum = zlib.crc32(rest, zlib.crc32(head))
    size = (len(head) + len(rest)) & 0xFFFFFFFF
    return b"".join((_GZIP_HEADER, stored, deflated, checksum.to_bytes(4, "little"), size.to_bytes(4, "little")))


def _join_zstd(head: bytes, rest_bytes: int, frame: bytes) -> bytes:
    # Magic number, a descriptor without any optional field, and the size of the window. The new descriptor adds the
    # size of the content in 4 bytes, which some decoders need.
    assert frame[4] == 0
    size = (len(head) + rest_bytes).to_bytes(4, "little")
    raw_block = (len(head) << 3).to_bytes(3, "little")
    return b"".join((frame[:4], b"\x80", frame[5:6], size, raw_block, head, frame[6:]))

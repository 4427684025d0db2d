"""The documented list of all records, cached encoded: each answer costs what changed since the previous one.

Records are cached in buckets by their stream's digest. A change reads only the buckets again that it falls in. An
answer is sent from the buckets, piece by piece: the list exists once in memory, however many clients read it, and in
none but its compressed forms a second time.
"""

import gzip
import threading
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import zstandard
from sqlalchemy import Connection, bindparam, select

from streamusage.core.usage import UsageRecord
from streamusage.service.store.change_feed import TOMBSTONES_FORGOTTEN, last_change, newest_life, read_counter
from streamusage.service.store.records import RECORD_COLUMNS
from streamusage.service.store.schema import tombstones, usage
from streamusage.service.store.statements import PreparedStatement

_BUCKET_BITS = 14
_BUCKETS = 1 << _BUCKET_BITS
_REBUILD_THRESHOLD = _BUCKETS // 2
_ROWS_PER_BATCH = 2_000
_PIECE_BYTES = 256 * 1024
_GZIP_LEVEL = 2
_ZSTD_LEVEL = 3
_ENCODED_ROWS = select(usage.c.stream, *RECORD_COLUMNS).order_by(usage.c.stream, usage.c.start_time.desc())
_ROWS_OF_BUCKET = PreparedStatement(
    _ENCODED_ROWS.where(usage.c.stream >= bindparam("first"), usage.c.stream < bindparam("beyond"))
)
_encode = msgspec.json.Encoder().encode


class ListVersion(NamedTuple):
    """The state of the store that a list shows. Equal versions show equal lists."""

    life: str
    change: int

    @property
    def etag(self) -> str:
        """The HTTP entity tag of the version."""
        return f'W/"{self.life}.{self.change:x}"'


def list_version(connection: Connection) -> ListVersion:
    """Return the version that a list of this snapshot has."""
    return ListVersion(newest_life(connection), last_change(connection) or 0)


class EncodedList(NamedTuple):
    """An encoded list, in parts that do not change any more."""

    parts: Sequence[bytes]
    size_bytes: int
    separator: bytes = b""
    """What is between two parts that are not empty."""
    brackets: tuple[bytes, bytes] = (b"", b"")

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the list in pieces of 256 KiB, or of one part where that is larger."""
        opening, closing = self.brackets
        piece, size = [opening], 0
        between = b""
        for part in filter(None, self.parts):
            piece += (between, part)
            between = self.separator
            size += len(part)
            if size >= _PIECE_BYTES:
                yield b"".join(filter(None, piece))  # of one part it is the part itself, not a copy
                piece, size = [], 0
        if last := b"".join([*piece, closing]):
            yield last


class RecordList:
    """The newest requested list. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = ListVersion("", -1)
        self._buckets: tuple[bytes, ...] = ()
        self._compressed: dict[str, EncodedList] = {}

    def encoded(self, connection: Connection, encoding: str) -> tuple[ListVersion, EncodedList]:
        """Return the JSON array of the connection's snapshot, compressed as `encoding` names."""
        version = list_version(connection)
        with self._lock:
            if version != self._version:
                if version.life == self._version.life and version.change < self._version.change:
                    # Another thread's newer snapshot is just as valid.
                    version = self._version
                else:
                    self._update(connection, version)
            plain = _array_of(self._buckets)
            if not encoding:
                return version, plain
            if encoding not in self._compressed:
                self._compressed[encoding] = _compress_list(plain, encoding)
            return version, self._compressed[encoding]

    def _update(self, connection: Connection, version: ListVersion) -> None:
        # A forgotten tombstone does not appear among the changes.
        is_known = version.life == self._version.life and self._version.change >= read_counter(
            connection, TOMBSTONES_FORGOTTEN
        )
        changed = self._changed_buckets(connection) if is_known else None
        self._compressed = {}
        if changed is None or len(changed) > _REBUILD_THRESHOLD:
            self._buckets = ()  # else the old list would be in memory beside the new one
            self._version = ListVersion("", -1)
            self._buckets = _read_all(connection)
        else:
            buckets = list(self._buckets)
            for number in changed:
                buckets[number] = _read_bucket(connection, number)
            self._buckets = tuple(buckets)
        self._version = version

    def _changed_buckets(self, connection: Connection) -> set[int]:
        changed: set[int] = set()
        for table in (usage, tombstones):
            query = select(table.c.stream).where(table.c.change > self._version.change)
            changed |= {_bucket_of(bytes(stream)) for stream in connection.execute(query).scalars()}
        return changed


def compress_body(body: bytes, encoding: str) -> bytes:
    """Return the body in a content coding: `gzip`, `zstd`, or none."""
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)
    if encoding == "gzip":
        return gzip.compress(body, _GZIP_LEVEL, mtime=0)
    return body


def _array_of(buckets: Sequence[bytes]) -> EncodedList:
    lengths = [len(bucket) for bucket in buckets if bucket]
    return EncodedList(buckets, 2 + sum(lengths) + max(0, len(lengths) - 1), b",", (b"[", b"]"))


def _compress_list(plain: EncodedList, encoding: str) -> EncodedList:
    compressor = (
        zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj(size=plain.size_bytes)
        if encoding == "zstd"
        else zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    )
    parts = [compressor.compress(piece) for piece in plain.pieces()]
    parts.append(compressor.flush())
    return EncodedList(parts, sum(map(len, parts)))


def _bucket_of(stream: bytes) -> int:
    return int.from_bytes(stream[:2], "big") >> (16 - _BUCKET_BITS)


def _read_all(connection: Connection) -> tuple[bytes, ...]:
    """Return all buckets. Records arrive in the order of the buckets, so that one is complete when the next begins."""
    buckets = [b""] * _BUCKETS
    number, records = 0, list[bytes]()
    result = connection.execution_options(stream_results=True).execute(_ENCODED_ROWS)
    for rows in result.partitions(_ROWS_PER_BATCH):
        for stream, *record in rows:
            bucket = _bucket_of(bytes(stream))
            if bucket != number:
                buckets[number] = b",".join(records)
                number, records = bucket, []
            records.append(_encode(UsageRecord(*record)))
    buckets[number] = b",".join(records)
    return tuple(buckets)


def _read_bucket(connection: Connection, number: int) -> bytes:
    last = number + 1 == _BUCKETS
    bounds = {"first": _first_stream(number), "beyond": b"\xff" * 17 if last else _first_stream(number + 1)}
    return b",".join(_encode(UsageRecord(*record)) for _, *record in _ROWS_OF_BUCKET.rows(connection, **bounds))


def _first_stream(bucket: int) -> bytes:
    return (bucket << (16 - _BUCKET_BITS)).to_bytes(2, "big")

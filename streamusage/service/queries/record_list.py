"""The documented list of all records, cached encoded: each answer costs what changed since the previous one.

Records are cached in buckets by their stream's digest. A change reads only the buckets again that it falls in.
"""

import gzip
import threading
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


class RecordList:
    """The newest requested list. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = ListVersion("", -1)
        self._buckets: list[bytes] = []
        self._bodies: dict[str, bytes] = {}

    def body(self, connection: Connection, encoding: str) -> tuple[ListVersion, bytes]:
        """Return the JSON array of the connection's snapshot, compressed as `encoding` names."""
        version = list_version(connection)
        with self._lock:
            if version != self._version:
                if version.life == self._version.life and version.change < self._version.change:
                    # Another thread's newer snapshot is just as valid.
                    version = self._version
                else:
                    self._update(connection, version)
            if encoding not in self._bodies:
                self._bodies[encoding] = compress_body(self._plain(), encoding)
            return version, self._bodies[encoding]

    def _plain(self) -> bytes:
        if "" not in self._bodies:
            self._bodies[""] = b"[" + b",".join(filter(None, self._buckets)) + b"]"
        return self._bodies[""]

    def _update(self, connection: Connection, version: ListVersion) -> None:
        # A forgotten tombstone does not appear among the changes.
        is_known = version.life == self._version.life and self._version.change >= read_counter(
            connection, TOMBSTONES_FORGOTTEN
        )
        changed = self._changed_buckets(connection) if is_known else None
        self._bodies = {}
        if changed is None or len(changed) > _REBUILD_THRESHOLD:
            self._buckets = _read_all(connection)
        else:
            for number in changed:
                self._buckets[number] = _read_bucket(connection, number)
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
        return zstandard.ZstdCompressor(level=3).compress(body)
    if encoding == "gzip":
        return gzip.compress(body, 2, mtime=0)
    return body


def _bucket_of(stream: bytes) -> int:
    return int.from_bytes(stream[:2], "big") >> (16 - _BUCKET_BITS)


def _read_all(connection: Connection) -> list[bytes]:
    buckets: list[list[bytes]] = [[] for _ in range(_BUCKETS)]
    result = connection.execution_options(stream_results=True).execute(_ENCODED_ROWS)
    for rows in result.partitions(_ROWS_PER_BATCH):
        for stream, *record in rows:
            buckets[_bucket_of(bytes(stream))].append(_encode(UsageRecord(*record)))
    return [b",".join(bucket) for bucket in buckets]


def _read_bucket(connection: Connection, number: int) -> bytes:
    last = number + 1 == _BUCKETS
    bounds = {"first": _first_stream(number), "beyond": b"\xff" * 17 if last else _first_stream(number + 1)}
    return b",".join(_encode(UsageRecord(*record)) for _, *record in _ROWS_OF_BUCKET.rows(connection, **bounds))


def _first_stream(bucket: int) -> bytes:
    return (bucket << (16 - _BUCKET_BITS)).to_bytes(2, "big")

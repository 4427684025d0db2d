"""Stored form of hours by stream: figures and minutes of all streams of an hour, each compressed by column.

The minutes are apart from the figures, so that sums are read without them. They are compressed by the place of the
byte: first the lowest byte of every minute, then the second, because the upper bytes are nearly always 0.
"""

import zlib
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from streamusage.service.rules.rollups import MinuteTraffic
from streamusage.service.rules.stream_hours import StreamHour

_LEVEL = 1
"""Compression level: higher ones take longer for a few per cent."""
_LANE = 8
"""Bytes of a packed minute, see `rules/rollups.py`."""
_NO_MINUTES = MinuteTraffic(b"", b"")


class StoredHour(NamedTuple):
    """The two columns of an hour in the store."""

    figures: bytes
    minutes: bytes


class _Figures(msgspec.Struct, frozen=True, array_like=True, gc=False):
    scopes: tuple[str, ...]
    names: tuple[str, ...]
    traffic: tuple[str, ...]
    sums: tuple[tuple[tuple[int, ...], ...], ...]


_DECODER = msgspec.msgpack.Decoder(_Figures)
_PAIR = msgspec.msgpack.Decoder(tuple[bytes, bytes])
_STAMP_BYTES = 5
"""Stamps of the servers of an hour add up in 64 bits."""


def encode_hour(hour: StreamHour) -> StoredHour:
    """Return an hour as it is stored. Equal hours have equal bytes."""
    figures = msgspec.msgpack.encode(_Figures(hour.scopes, hour.names, hour.traffic, hour.sums))
    return StoredHour(zlib.compress(figures, _LEVEL), compress_minutes(hour.minutes))


def decode_hour(figures: bytes, minutes: bytes | None = None) -> StreamHour:
    """Return a stored hour, with empty minutes if they were not read.

    Raises `ValueError`, `msgspec.MsgspecError` or `zlib.error` for anything else.
    """
    found = _DECODER.decode(zlib.decompress(figures))
    traffic = _NO_MINUTES if minutes is None else expand_minutes(minutes)
    return StreamHour(found.scopes, found.names, found.traffic, found.sums, traffic)


def encode_scopes(hour: StreamHour) -> bytes:
    """Return an hour by scope, from `scope_hours.fold_hour`, as one column."""
    return msgspec.msgpack.encode(tuple(encode_hour(hour)))


def decode_scopes(scopes: bytes) -> StreamHour:
    """Return the hour of `encode_scopes`. Raises as `decode_hour`."""
    return decode_hour(*_PAIR.decode(scopes))


def stamp_of(stored: StoredHour) -> int:
    """Return a number above 0 that differs for hours that differ, so that readers need not compare their bytes."""
    digest = blake2b(stored.figures, digest_size=_STAMP_BYTES)
    digest.update(stored.minutes)
    return int.from_bytes(digest.digest(), "big") + 1


def compress_minutes(minutes: MinuteTraffic) -> bytes:
    """Return packed minutes compressed."""
    packed = minutes.bytes_in + minutes.bytes_out
    return zlib.compress(b"".join(packed[place::_LANE] for place in range(_LANE)), _LEVEL)


def expand_minutes(compressed: bytes) -> MinuteTraffic:
    """Return the packed minutes of `compress_minutes`. Raises `ValueError` or `zlib.error` for anything else."""
    planes = zlib.decompress(compressed)
    if len(planes) % (2 * _LANE):
        raise ValueError("the minutes in and out do not have the same length")
    packed, count = bytearray(len(planes)), len(planes) // _LANE
    for place in range(_LANE):
        packed[place::_LANE] = planes[place * count : (place + 1) * count]
    half = len(packed) // 2
    return MinuteTraffic(bytes(packed[:half]), bytes(packed[half:]))

"""Stored form of a closed day by stream: sums, and apart from them the traffic by the minute."""

import zlib
from collections.abc import Mapping

import msgspec

from streamusage.core.figures import StreamTraffic
from streamusage.core.usage import StreamId
from streamusage.service.rules.rollups import MinuteTraffic
from streamusage.service.rules.stream_days import StreamDay, StreamsOfDay
from streamusage.service.store.streams.stream_hours import compress_minutes, expand_minutes

_LEVEL = 1
_NO_MINUTES = MinuteTraffic(b"", b"")


class _Stored(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """By column, in the order of the streams."""

    scopes: tuple[str, ...]
    names: tuple[str, ...]
    traffic: tuple[StreamTraffic, ...]
    sums: tuple[tuple[int, ...], ...]
    """For each stream the sums in the order of `FIGURE_NAMES`."""


_DECODER = msgspec.msgpack.Decoder(_Stored)


def encode_sums(streams: StreamsOfDay) -> bytes:
    """Return the sums of streams as they are stored. Equal sums have equal bytes."""
    known = sorted(streams.items())
    stored = _Stored(
        tuple(stream.scope for stream, _ in known),
        tuple(stream.name for stream, _ in known),
        tuple(figures.traffic for _, figures in known if figures.traffic is not None),
        tuple(figures.sums for _, figures in known),
    )
    return zlib.compress(msgspec.msgpack.encode(stored), _LEVEL)


def encode_minutes(streams: StreamsOfDay) -> bytes:
    """Return the traffic by the minute of streams as it is stored, in the order of the streams."""
    known = [figures.minutes for _, figures in sorted(streams.items())]
    return compress_minutes(
        MinuteTraffic(b"".join(part.bytes_in for part in known), b"".join(part.bytes_out for part in known))
    )


def decode_streams(sums: bytes, minutes: bytes | None = None) -> Mapping[StreamId, StreamDay]:
    """Return stored streams, with empty minutes if these were not read.

    Raises `ValueError`, `msgspec.MsgspecError` or `zlib.error` for anything else.
    """
    stored = _DECODER.decode(zlib.decompress(sums))
    streams = list(map(StreamId, stored.scopes, stored.names))
    days = [_NO_MINUTES] * len(streams) if minutes is None else _divide(expand_minutes(minutes), len(streams))
    return {
        stream: StreamDay(traffic, figures, day)
        for stream, traffic, figures, day in zip(streams, stored.traffic, stored.sums, days, strict=True)
    }


def _divide(minutes: MinuteTraffic, count: int) -> list[MinuteTraffic]:
    length = len(minutes.bytes_in) // count if count else 0
    if count and len(minutes.bytes_in) % count:
        raise ValueError("the minutes of the streams do not have the same length")
    cuts = [slice(at * length, (at + 1) * length) for at in range(count)]
    return [MinuteTraffic(minutes.bytes_in[cut], minutes.bytes_out[cut]) for cut in cuts]

"""A reply that is encoded once has the bytes of one that is encoded each time, in every content coding."""

import gzip
import random
import zlib

import httpx
import msgspec
import pytest
import zstandard

from streamusage.api.extension import Changes, DeletedSession, Trends
from streamusage.service.http.timed_json import TimedJson

TIMES = (1_795_000_020_000, 0, 7, 2**53)


def a_page(seed: int, records: int) -> Changes:
    """Return a page whose names are partly random, so that some of its blocks cannot be compressed."""
    chance = random.Random(seed)
    names = [chance.randbytes(chance.randrange(40)).hex() + "-repeated" * chance.randrange(3) for _ in range(records)]
    sessions = [DeletedSession("live", name, chance.randrange(2**53)) for name in names]
    return Changes(now=chance.choice(TIMES), cursor=f"{seed}.1.0", deleted_sessions=sessions)


@pytest.mark.parametrize("records", [0, 1, 30, 900, 9_000])
def test_reply_has_the_bytes_of_a_fresh_one(records: int) -> None:
    page = a_page(records, records)
    shared = TimedJson(page)
    for now_ms in TIMES:
        expected = msgspec.json.encode(msgspec.structs.replace(page, now=now_ms))
        assert shared.body(now_ms, "") == expected
        zipped, packed = shared.body(now_ms, "gzip"), shared.body(now_ms, "zstd")
        assert gzip.decompress(zipped) == zlib.decompress(zipped, zlib.MAX_WBITS | 32) == expected
        assert zstandard.decompress(packed) == expected
        assert zstandard.ZstdDecompressor().decompressobj().decompress(packed) == expected
        for body, encoding in ((zipped, "gzip"), (packed, "zstd")):
            assert httpx.Response(200, content=body, headers={"Content-Encoding": encoding}).content == expected


def test_now_must_be_the_first_field() -> None:
    class Late(msgspec.Struct):
        cursor: str
        now: int

    with pytest.raises(ValueError, match="first field of Late"):
        TimedJson(Late("c", 1))
    TimedJson(Trends(now=1, from_ms=0, step_ms=60_000, streams=[]))

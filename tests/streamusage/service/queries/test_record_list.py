"""The cached list of all records: its ETag, its content after imports and deletes, and its memory."""

import gzip
import random
import tracemalloc
from collections.abc import Callable

import msgspec
import zstandard
from sqlalchemy import insert

from streamusage.core.usage import RECORD_FIELDS, UsageRecord
from streamusage.service.queries.record_list import EncodedList, RecordList
from streamusage.service.store.change_feed import allocate_changes
from streamusage.service.store.schema import stream_key, usage
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import NOW, USAGE, Estate, a_record

LIST = f"{USAGE}?accessToken=admin-token"


async def test_etag_of_the_list_changes_only_with_the_records(estate: Estate) -> None:
    await estate.import_records(a_record())
    first = await estate.http.get(LIST)
    again = await estate.http.get(LIST, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    await estate.import_records(a_record("b"))
    changed = await estate.http.get(LIST, headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, len(changed.json())) == (200, 2)
    refused = await estate.http.get(USAGE, headers={"If-None-Match": first.headers["etag"]})
    assert refused.status_code == 400


async def test_list_shows_every_kind_of_change(estate: Estate) -> None:
    """Compare the cached list with the expected records after random imports and deletes."""
    chance = random.Random(7)
    expected: dict[str, dict[str, object]] = {}
    for _ in range(30):
        names = [f"s{chance.randrange(60)}" for _ in range(chance.randrange(8))]
        fresh = [a_record(name) for name in dict.fromkeys(names) if name not in expected]
        await estate.import_records(*fresh)
        expected |= {str(record["name"]): record for record in fresh}
        for name in chance.sample(sorted(expected), min(len(expected), chance.randrange(3))):
            await estate.usage("DELETE", f"/live/{name}")
            del expected[name]
        if chance.random() < 0.1:
            await estate.usage("DELETE")
            expected = {}
        assert sorted(await estate.records(), key=str) == sorted(expected.values(), key=str)


async def test_long_list_is_sent_in_parts_with_its_length(estate: Estate) -> None:
    expected = [a_record(f"s{number}", "live/" + "x" * 40) for number in range(1_500)]
    await estate.import_records(*expected)
    plain = await estate.http.get(LIST, headers={"Accept-Encoding": "identity"})
    assert (int(plain.headers["content-length"]), "transfer-encoding" in plain.headers) == (len(plain.content), False)
    assert len(plain.content) > 256 * 1024
    assert sorted(plain.json(), key=str) == sorted(expected, key=str)
    for encoding, unpack in (("gzip", gzip.decompress), ("zstd", zstandard.decompress)):
        async with estate.http.stream("GET", LIST, headers={"Accept-Encoding": encoding}) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
        assert int(answer.headers["content-length"]) == len(raw)
        assert (unpack(raw), answer.headers["etag"]) == (plain.content, plain.headers["etag"])
    head = await estate.http.head(LIST, headers={"Accept-Encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    assert [head.headers[name] for name in ("content-length", "etag")] == [
        plain.headers[name] for name in ("content-length", "etag")
    ]


def test_parts_are_joined_as_an_array() -> None:
    for buckets in ([], [b""], [b"", b"1", b"", b"2,3"], [b"1" * 300_000, b"", b"2"], [b"7" * 300_000]):
        whole = b"[" + b",".join(filter(None, buckets)) + b"]"
        body = EncodedList(buckets, len(whole), b",", (b"[", b"]"))
        assert b"".join(body.pieces()) == whole
    part = bytes(300_000)
    assert [piece is part for piece in EncodedList([part], len(part)).pieces()] == [True], "not a copy"


def test_list_is_in_memory_once(store_url: str) -> None:
    """Building it, sending it and compressing it take little memory besides the list and its compressed form."""
    names = list(RECORD_FIELDS.values())
    store = open_store(store_url, NOW)
    records = RecordList()

    def peak_bytes(work: Callable[[], object]) -> int:
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def read(encoding: str) -> EncodedList:
        with store.reading() as connection:
            return records.encoded(connection, encoding)[1]

    def consume(body: EncodedList) -> int:
        return sum(map(len, body.pieces()))

    try:
        with store.writing() as connection, connection.begin():
            change = allocate_changes(connection, 20_000)
            columns = {"live": 0, "provenance": "imported", "touched_at": NOW}
            documented = msgspec.convert(a_record(), UsageRecord)
            connection.execute(
                insert(usage),
                [
                    {name: getattr(documented, name) for name in names}
                    | {"stream": stream_key("live", f"s{number}"), "name": f"s{number}", "change": change + 1 + number}
                    | columns
                    for number in range(20_000)
                ],
            )
        built = peak_bytes(lambda: read(""))
        plain = read("")
        assert plain.size_bytes > 4_000_000
        assert built < 1.8 * plain.size_bytes
        assert peak_bytes(lambda: consume(read(""))) < 1_500_000
        for encoding in ("gzip", "zstd"):
            assert peak_bytes(lambda encoding=encoding: read(encoding)) < plain.size_bytes / 2  # type: ignore[misc]
            assert peak_bytes(lambda encoding=encoding: read(encoding)) < 1_000_000, "kept"  # type: ignore[misc]
            assert consume(read(encoding)) == read(encoding).size_bytes
    finally:
        store.close()

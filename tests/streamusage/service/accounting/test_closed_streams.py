"""A closed day keeps its figures by stream; later reports change the present ones only, and the chain covers them."""

import zlib
from contextlib import closing
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select, text, update

from streamusage.api.report import SlotRow, StreamSlotRow
from streamusage.core.coverage import Interval
from streamusage.core.usage import StreamId
from streamusage.evidence.signed_streams import SignedStream, hash_of_streams
from streamusage.service.accounting.checks.verification import verify_store
from streamusage.service.accounting.closed_streams import hash_of_closing, limit_servers
from streamusage.service.rules.rollups import MinuteTraffic, pack_minutes, unpack_minutes
from streamusage.service.rules.stream_days import StreamDay
from streamusage.service.store.schema import chain, closed_days
from streamusage.service.store.store import open_store
from streamusage.service.store.streams.closed_streams import decode_streams, encode_minutes, encode_sums
from tests.streamusage.service.conftest import Estate
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.service.used_store import NOON, settle, used_estate

MINUTE = 60_000
HOUR = 60 * MINUTE
A, B = StreamId("live", "a"), StreamId("live", "b")


def figures(slot: int, bytes_out: int, **streams: int) -> list[SlotRow | StreamSlotRow]:
    return [
        SlotRow(slot=slot, revision=0, bytes_out=bytes_out, connections={"rtmp": 3}),
        *(
            StreamSlotRow(slot=slot, scope="live", name=name, revision=0, bytes_out=sent, connections=1)
            for name, sent in streams.items()
        ),
    ]


async def report_a_day(estate: Estate, *servers: str, **streams: int) -> list[ReportingAgent]:
    """Report a minute at noon, in time, and the time until the day is closed. Return the agents."""
    agents = [ReportingAgent(estate, name, life=f"{name}.1") for name in servers]
    for at, rows in ((NOON + 10_000, figures(NOON, 100, **streams)), (NOON + 13 * HOUR, [])):
        estate.clock.now = at
        for agent in agents:
            agent.watermark = NOON if rows else agent.watermark
            await agent.sync_up(*rows)
    await settle(estate)
    return agents


def stored(store_url: str, *columns: str) -> list[Any]:
    with closing(open_store(store_url, 0)) as store, store.reading() as connection:
        query = select(closed_days).order_by(closed_days.c.revision)
        return [tuple(getattr(row, name) for name in columns) for row in connection.execute(query)]


def closings_in_chain(store_url: str) -> list[dict[str, Any]]:
    with closing(open_store(store_url, 0)) as store, store.reading() as connection:
        query = select(chain.c.content).where(chain.c.kind == "closing").order_by(chain.c.number)
        return [msgspec.json.decode(content) for content in connection.execute(query).scalars()]


def differences(store_url: str) -> list[tuple[str, str]]:
    with closing(open_store(store_url, 0)) as store:
        results = list(verify_store(store, NOON + 100 * HOUR, lambda _what, _done, _total: None))
    return [(one.table, one.what) for result in results for one in result.differences]


def sent(streams: bytes) -> dict[StreamId, tuple[int, int]]:
    """Return outgoing bytes and their late part by stream."""
    return {stream: (part.sums[2], part.sums[6]) for stream, part in decode_streams(streams).items()}


async def test_late_report_changes_the_present_figures_by_stream_and_not_the_closed_ones(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        (agent,) = await report_a_day(estate, "edge-1", a=60, b=30)
        before = stored(store_url, "streams", "stream_minutes")
        ((streams, minutes, current),) = stored(store_url, "streams", "stream_minutes", "current_streams")
        assert (sent(streams), current) == ({A: (60, 0), B: (30, 0)}, None)
        day = decode_streams(streams, minutes)[A].minutes
        assert {at: n for at, n in enumerate(unpack_minutes(day.bytes_out)) if n} == {12 * 60: 60}
        await agent.sync_up(*figures(NOON, 130, a=70, b=30), *figures(NOON + MINUTE, 5, c=5))
        assert stored(store_url, "streams", "stream_minutes") == before
        ((current,),) = stored(store_url, "current_streams")
        assert sent(current) == {A: (70, 10), B: (30, 0), StreamId("live", "c"): (5, 5)}
    assert differences(store_url) == []


async def test_entry_of_the_chain_covers_the_sums_by_stream(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        await report_a_day(estate, "edge-1", "origin-1", a=60, b=30)
        ((streams,), _) = stored(store_url, "streams")
    rows = [
        SignedStream(
            scope="live", name=name, traffic="measured", connections=1, bytes_in=0, bytes_out=sent, view_time_ms=0,
            backfilled_connections=0, backfilled_bytes_in=0, backfilled_bytes_out=0, backfilled_view_time_ms=0,
        )
        for name, sent in (("b", 30), ("a", 60))
    ]  # fmt: skip
    expected = hash_of_streams(rows)
    assert expected == hash_of_streams(reversed(rows)) == hash_of_closing(streams)
    assert [content["streams"] for content in closings_in_chain(store_url)] == [expected, expected]
    assert hash_of_streams([msgspec.structs.replace(rows[0], bytes_out=31), rows[1]]) != expected
    assert differences(store_url) == []


async def test_closing_without_figures_by_stream_has_no_hash_of_them(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        (agent,) = await report_a_day(estate, "edge-1")
        ((streams,),) = stored(store_url, "streams")
        assert sent(streams) == {}
        assert ["streams" in content for content in closings_in_chain(store_url)] == [False]
        await agent.sync_up(*figures(NOON, 130, a=70))
        assert [sent(current) for (current,) in stored(store_url, "current_streams")] == [{A: (70, 70)}]
    assert differences(store_url) == []


async def test_closing_of_an_earlier_version_stays_without_figures_by_stream(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        (agent,) = await report_a_day(estate, "edge-1")
        with closing(open_store(store_url, 0)) as store, store.writing() as connection, connection.begin():
            connection.execute(update(closed_days).values(streams=None, stream_minutes=None))
            connection.execute(
                text("UPDATE ledger_checksums SET checksum = :sum"), {"sum": earlier_checksum(connection)}
            )
        assert differences(store_url) == []
        await agent.sync_up(*figures(NOON, 130, a=70))
        assert stored(store_url, "streams", "current_streams", "entries") == [(None, None, 1)]
    assert differences(store_url) == []


def earlier_checksum(connection: Connection) -> int:
    """Return the checksum as versions without figures by stream computed it."""
    row = connection.execute(select(closed_days)).mappings().one()
    names = ("tz", "day", "server", "from_ms", "to_ms", "revision", "closed_at", "closed_by", "rule", "watermark",
             "figures", "samples")  # fmt: skip
    return zlib.crc32(repr([row[name] for name in names]).encode())


async def test_changed_figures_by_stream_are_found(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        (agent,) = await report_a_day(estate, "edge-1", a=60, b=30)
        await agent.sync_up(*figures(NOON, 130, a=70, b=30))
    ((streams, minutes),) = stored(store_url, "streams", "stream_minutes")
    parts = dict(decode_streams(streams, minutes))
    other = parts | {A: parts[A]._replace(sums=(1, 0, 61, 0, 0, 0, 0, 0))}
    moved = {A: parts[B], B: parts[A]}
    by_checksum = ("closed_days", "does not match its checksum: a closed day was changed")
    for values, expected in (
        ({"streams": encode_sums(other)}, {by_checksum, ("chain", "states another streams than the closing has: it was "
                                                                  "changed after the day was closed")}),
        ({"streams": streams, "stream_minutes": encode_minutes(moved)}, {by_checksum}),
        (
            {"stream_minutes": minutes, "current_streams": encode_sums(other)},
            {("closed_days", "its present figures by stream are not those of its hours")},
        ),
        ({"current_streams": b"?"}, {("closed_days", "its figures by stream cannot be read")}),
    ):  # fmt: skip
        with closing(open_store(store_url, 0)) as store, store.writing() as connection, connection.begin():
            connection.execute(update(closed_days).values(**values))
        assert {(table, what.partition(" (")[0]) for table, what in differences(store_url)} == expected


async def test_step_closes_few_servers_where_many_streams_have_figures(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with used_estate(store_url) as estate:
        await report_a_day(estate, "edge-1", "origin-1", a=60)
        day = Interval(NOON - 12 * HOUR, NOON + 12 * HOUR)
        names = ["edge-1", "origin-1"]
        for most, expected in ((2**22, names), (1, names[:1])):
            monkeypatch.setattr("streamusage.service.accounting.closed_streams.STEP_BYTES", most)
            chosen = await estate.running.service.read(lambda connection: limit_servers(connection, names, day))
            assert chosen == expected


async def test_days_are_closed_for_all_servers_in_small_steps(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamusage.service.accounting.closed_streams.STEP_BYTES", 1)
    async with used_estate(store_url) as estate:
        await report_a_day(estate, "edge-1", "origin-1", a=60)
    assert [name for (name,) in stored(store_url, "server")] == ["edge-1", "origin-1"]


def test_stored_form_keeps_every_field() -> None:
    minutes = MinuteTraffic(pack_minutes([1, 0]), pack_minutes([0, 2**40]))
    parts = {
        B: StreamDay("none", (1, 2, 3, 4, 5, 6, 7, 2**60), minutes),
        A: StreamDay("measured", (0,) * 8, MinuteTraffic(bytes(16), bytes(16))),
    }
    assert decode_streams(encode_sums(parts), encode_minutes(parts)) == parts
    assert decode_streams(encode_sums({}), encode_minutes({})) == {}
    assert decode_streams(encode_sums(parts))[B].minutes == MinuteTraffic(b"", b"")

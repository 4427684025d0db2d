"""Figures by stream from reports over HTTP to the store and back, on both engines."""

import zlib
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select

from streamusage.api.report import SlotRow, StreamSlotRow
from streamusage.core.coverage import Interval
from streamusage.core.figures import STREAM_SUM_NAMES
from streamusage.service.accounting.checks.verification import verify_store
from streamusage.service.errors import LimitExceededError
from streamusage.service.ingest.name_quotas import NameQuotas
from streamusage.service.limits import Limits
from streamusage.service.rules.stream_slots import StreamShare
from streamusage.service.store.schema import stream_slots
from streamusage.service.store.store import open_store
from streamusage.service.store.streams.stream_slots import decode_shares, encode_shares, read_streams
from tests.streamusage.service.conftest import NOW, Estate, an_estate
from tests.support.service.parties.reporting import ReportingAgent, a_session

MINUTE = 60_000
ALL = Interval(0, 2**53)


def slot(at: int, bytes_out: int, connections: int = 9) -> SlotRow:
    return SlotRow(slot=at, revision=0, bytes_out=bytes_out, connections={"rtmp": connections})


def stream(at: int, name: str, bytes_out: int, connections: int = 0) -> StreamSlotRow:
    return StreamSlotRow(
        slot=at,
        scope="live",
        name=name,
        revision=0,
        bytes_out=bytes_out,
        connections=connections,
        traffic="apportioned",
    )


def stored(store_url: str, window: Interval = ALL, servers: list[str] | None = None) -> dict[tuple[str, int, str], int]:
    """Return the outgoing bytes by server, minute and stream."""
    with closing(open_store(store_url, 0)) as store, store.reading() as connection:
        sums: dict[tuple[str, int, str], int] = {}
        for row in read_streams(connection, window, servers):
            for share in row.shares:
                key = row.server, (row.slot - NOW) // MINUTE, share.name
                sums[key] = sums.get(key, 0) + share.bytes_out
        return sums


async def test_reported_streams_are_stored_and_read_by_window_and_server(tmp_path: Path, store_url: str) -> None:
    async with an_estate(tmp_path, store_url=store_url) as estate:
        for server, life in (("edge-1", "e.1"), ("origin-1", "o.1")):
            agent = ReportingAgent(estate, server, life=life)
            estate.clock.now = NOW + 2 * MINUTE
            await agent.sync_up(
                *(slot(NOW, 100), stream(NOW, "a", 60), stream(NOW, "b", 30)),
                *(slot(NOW + MINUTE, 7), slot(NOW + 2 * MINUTE, 5), stream(NOW + 2 * MINUTE, "a", 5)),
            )
    whole = {(server, *key): sent for server in ("edge-1", "origin-1") for key, sent in {
        (0, "a"): 60, (0, "b"): 30, (2, "a"): 5}.items()}  # fmt: skip
    assert stored(store_url) == whole
    assert stored(store_url, servers=["edge-1"]) == {key: sent for key, sent in whole.items() if key[0] == "edge-1"}
    assert stored(store_url, Interval(NOW + MINUTE, NOW + 3 * MINUTE)) == {
        key: sent for key, sent in whole.items() if key[1] == 2
    }
    with closing(open_store(store_url, 0)) as store, store.reading() as connection:
        rows = connection.execute(select(func.count()).select_from(stream_slots)).scalar_one()
    assert rows == 4, "a slot without figures by stream has no row"


async def test_repeated_report_changes_nothing_and_a_newer_one_replaces_the_streams(
    tmp_path: Path, store_url: str
) -> None:
    async with an_estate(tmp_path, store_url=store_url) as estate:
        agent = ReportingAgent(estate)
        await agent.begin()
        estate.clock.now += 10_000
        first = agent.report(slot(NOW, 100), stream(NOW, "a", 60))
        for _ in range(3):
            assert (await agent.send(first)).status_code == 200
        assert stored(store_url) == {("edge-1", 0, "a"): 60}
        estate.clock.now += 10_000
        await agent.sync_up(slot(NOW, 170), stream(NOW, "a", 100), stream(NOW, "b", 70))
        assert (await agent.send(first)).status_code == 200
        assert stored(store_url) == {("edge-1", 0, "a"): 100, ("edge-1", 0, "b"): 70}


async def test_epochs_that_share_a_minute_add_up(tmp_path: Path, store_url: str) -> None:
    async with an_estate(tmp_path, store_url=store_url) as estate:
        for life in ("j1.1", "j2.1"):
            agent = ReportingAgent(estate, life=life)
            agent.watermark = estate.clock.now
            estate.clock.now += 10_000
            await agent.sync_up(slot(NOW, 100), stream(NOW, "a", 60))
    assert stored(store_url) == {("edge-1", 0, "a"): 120}


async def test_streams_that_sum_to_more_than_the_slot_are_quarantined(tmp_path: Path, store_url: str) -> None:
    async with an_estate(tmp_path, store_url=store_url) as estate:
        agent = ReportingAgent(estate)
        await agent.begin()
        estate.clock.now += 10_000
        answer = await agent.send(agent.report(slot(NOW, 100), stream(NOW, "a", 60), stream(NOW, "b", 41)))
        assert (answer.status_code, answer.json()["reason"]) == (422, "held")
        assert "sum to 101" in answer.json()["errorMessage"]
    assert stored(store_url) == {}


async def test_service_states_that_it_stores_streams(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    assert (await agent.begin())["stores_streams"] is True
    estate.clock.now += 10_000
    answer = await agent.send(agent.report())
    assert answer.json()["stores_streams"] is True


async def test_large_report_with_streams_is_applied_in_parts(tmp_path: Path, store_url: str) -> None:
    async with an_estate(tmp_path, store_url=store_url) as estate:
        agent = ReportingAgent(estate)
        estate.clock.now = NOW + 40 * MINUTE
        rows = [
            row
            for minute in range(40)
            for row in (
                slot(NOW + minute * MINUTE, 1_000),
                *(stream(NOW + minute * MINUTE, f"s{number}", 2) for number in range(300)),
            )
        ]
        await agent.sync_up(*rows)
    found = stored(store_url)
    assert len(found) == 40 * 300
    assert set(found.values()) == {2}


async def test_streams_beyond_the_limit_of_names_are_left_out(estate: Estate) -> None:
    """Viewers may request any names: they cannot keep a server from being accounted for."""
    agent = ReportingAgent(estate)
    quotas = NameQuotas(Limits(streams_per_day=2), lambda: NOW)
    first = agent.report(slot(NOW, 100), stream(NOW, "a", 60))
    assert quotas.admit(first) is first
    second = agent.report(slot(NOW, 100), *(stream(NOW, name, 10) for name in "bcad"))
    assert [row.name for row in quotas.admit(second).stream_slots] == ["b", "a"]
    with pytest.raises(LimitExceededError, match="names 3 streams today"):
        quotas.admit(agent.report(a_session(name="c")))


async def test_report_with_streams_beyond_the_limit_is_accepted(tmp_path: Path, store_url: str) -> None:
    async with an_estate(tmp_path, store_url=store_url, request_limits=Limits(streams_per_day=1)) as estate:
        agent = ReportingAgent(estate)
        estate.clock.now += 10_000
        await agent.sync_up(slot(NOW, 100), stream(NOW, "a", 60), stream(NOW, "b", 30))
    assert stored(store_url) == {("edge-1", 0, "a"): 60}


async def test_damaged_and_foreign_streams_are_found(tmp_path: Path, store_url: str) -> None:
    async with an_estate(tmp_path, store_url=store_url) as estate:
        agent = ReportingAgent(estate)
        estate.clock.now += 3 * MINUTE
        await agent.sync_up(
            *(row for at in (NOW, NOW + MINUTE, NOW + 2 * MINUTE) for row in (slot(at, 100), stream(at, "a", 60)))
        )

    def differences() -> list[tuple[str, str]]:
        with closing(open_store(store_url, 0)) as store:
            results = list(verify_store(store, estate.clock.now, lambda _what, _done, _total: None))
        return [(one.key.rpartition(" ")[2], one.what) for result in results for one in result.differences]

    assert differences() == []
    with closing(open_store(store_url, 0)) as store, store.writing() as connection, connection.begin():
        whole = decode_shares(connection.execute(select(stream_slots.c.streams)).scalars().first() or b"")
        larger = encode_shares([msgspec.structs.replace(share, bytes_out=101) for share in whole])
        for at, changes in (
            (NOW, {"streams": larger}),
            (NOW + MINUTE, {"streams": b"?"}),
            (NOW + 2 * MINUTE, {"epoch": 9}),
        ):
            connection.execute(stream_slots.update().where(stream_slots.c.slot == at).values(**changes))
    found = differences()
    assert [key for key, _ in found] == [f"slot={NOW + minute * MINUTE}" for minute in range(3)]
    assert "sum to 101" in found[0][1]
    assert "cannot be decoded" in found[1][1]
    assert "has no slot" in found[2][1]


def test_stored_form_keeps_every_field() -> None:
    shares = (
        StreamShare("live", "a", "none", *range(4), *range(4)),
        StreamShare("x", "b\0é", "measured", *[2**52] * 8),
    )
    assert decode_shares(encode_shares(shares)) == shares
    assert decode_shares(encode_shares(())) == ()
    assert StreamShare.__struct_fields__[3:] == (*STREAM_SUM_NAMES, *(f"late_{name}" for name in STREAM_SUM_NAMES))


def test_column_of_a_later_version_is_ignored() -> None:
    share = StreamShare("live", "a", "none", *range(4), *range(4))
    columns = msgspec.msgpack.decode(zlib.decompress(encode_shares([share])))
    later = zlib.compress(msgspec.msgpack.encode([*columns, [7]]))
    assert decode_shares(later) == (share,)

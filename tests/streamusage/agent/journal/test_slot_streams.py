"""Figures by stream in the journal, and which of them a report contains."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamusage.agent.journal.dating import setting_back
from streamusage.agent.journal.folding import drop_oldest_streams, write_additions
from streamusage.agent.journal.ledger import KEEP_ACKNOWLEDGED_MS, Ledger
from streamusage.agent.journal.protocol import Head
from streamusage.agent.journal.slot_streams import SlotStreams, StreamPart, merge_slot_streams, select_stream_rows
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.metering.additions import Additions, StreamAddition
from streamusage.agent.reading import Reading
from streamusage.api.report import Acknowledgement, Based, EpochIssued, Report, SampleRow, SlotRow, StreamSlotRow
from streamusage.core.coverage import SLOT_MS
from streamusage.core.usage import StreamId
from tests.support.agent.readings import T0, line, reading, viewer

ONE, TWO = StreamId("live", "one"), StreamId("live", "two")


def part(stream: StreamId, connections: int = 0, bytes_out: int = 0, **fields: Any) -> StreamPart:
    whole = StreamPart(*stream, connections, 0, bytes_out, 0, "measured")
    return msgspec.structs.replace(whole, **fields)


def row(slot: int, *parts: StreamPart, revision: int = 1) -> SlotStreams:
    return SlotStreams(slot=slot, revision=revision, parts=parts)


@pytest.fixture
def journal(tmp_path: Path) -> SqliteJournal:
    return SqliteJournal(tmp_path / "agent.db", synchronous="off")


def make_ledger(journal: SqliteJournal) -> Ledger:
    return Ledger(journal, "j", "edge-1", "edge", 10_000)


def issue(ledger: Ledger, *, stores_streams: bool) -> None:
    issued = EpochIssued(epoch=1, based_on=Based(0, 0), now=T0, stores_streams=stores_streams)
    ledger.continue_from(issued, ())


def report_of(ledger: Ledger) -> Report:
    report = ledger.report(T0, "online")
    assert report is not None
    return report


def acknowledge(ledger: Ledger, report: Report, *, stores_streams: bool, now: int = T0) -> None:
    acknowledged = Acknowledgement(epoch=1, acknowledged=report.upto, now=now, stores_streams=stores_streams)
    ledger.acknowledge(acknowledged, now)


def read(ledger: Ledger, at: int, **fields: Any) -> Reading:
    taken = reading(at, viewers=(viewer(1, at + 1_000),), bytes_out=at, **fields)
    ledger.record(taken)
    return taken


def test_merged_streams_add_up_and_their_traffic_is_known_as_its_least_exact_part() -> None:
    older = row(T0, part(TWO, 1, 10), revision=3)
    newer = row(T0, part(ONE, 2), part(TWO, 3, 5, traffic="apportioned"), revision=9)
    merged = row(T0, part(ONE, 2), part(TWO, 4, 15, traffic="apportioned"), revision=9)
    assert merge_slot_streams(older, newer) == merged


def test_streams_of_several_readings_add_up_in_the_file(journal: SqliteJournal) -> None:
    added = Additions(streams={T0: {ONE: StreamAddition(connections=1, bytes_out=7, traffic="measured")}})
    with journal.transaction() as tx:
        head = write_additions(tx, Head(journal="j"), added)
        head = write_additions(tx, head, added)
    with journal.transaction() as tx:
        assert tx.get(SlotStreams, f"{T0}") == row(T0, part(ONE, 2, 14), revision=2)
    assert head.revision == 2


def test_report_has_the_streams_of_its_slots(journal: SqliteJournal) -> None:
    ledger = make_ledger(journal)
    read(ledger, 0)
    issue(ledger, stores_streams=True)
    read(ledger, 10_000)
    report = report_of(ledger)
    slot = report.slots[0]
    assert report.stream_slots == (
        StreamSlotRow(
            slot=T0,
            scope="live",
            name="s1",
            revision=report.stream_slots[0].revision,
            connections=1,
            bytes_out=10_000,
            view_time_ms=slot.view_time_ms,
            traffic="apportioned",
        ),
    )
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
    acknowledge(ledger, report, stores_streams=True)
    assert report_of(ledger).stream_slots == ()
    read(ledger, 20_000)
    (changed,) = report_of(ledger).stream_slots
    assert (changed.bytes_out, changed.view_time_ms) == (20_000, 20_000), "a row has totals"


def test_service_that_does_not_store_streams_is_sent_none(journal: SqliteJournal) -> None:
    ledger = make_ledger(journal)
    read(ledger, 0)
    issue(ledger, stores_streams=False)
    read(ledger, 10_000)
    report = report_of(ledger)
    assert report.stream_slots == ()
    acknowledge(ledger, report, stores_streams=True)
    read(ledger, 70_000)
    ledger = make_ledger(journal)
    assert [row.slot for row in report_of(ledger).stream_slots] == [T0, T0 + SLOT_MS], "the journal remembers it"
    acknowledge(ledger, report_of(ledger), stores_streams=False)
    read(ledger, 80_000)
    assert report_of(ledger).stream_slots == ()


def test_bridge_and_journal_share_a_slot_of_streams(journal: SqliteJournal, tmp_path: Path) -> None:
    old = make_ledger(journal)
    read(old, 0)
    issue(old, stores_streams=True)
    report = report_of(old)
    ledger = make_ledger(SqliteJournal(tmp_path / "new.db", synchronous="off"))
    read(ledger, 20_000)
    read(ledger, 30_000)
    ledger.continue_from(
        EpochIssued(
            epoch=2,
            based_on=Based(1, report.upto),
            now=T0,
            baseline=report.baseline,
            viewers=report.viewers,
            stores_streams=True,
        ),
        (),
    )
    (streams,) = report_of(ledger).stream_slots
    assert (streams.bytes_out, streams.view_time_ms, streams.connections) == (30_000, 30_000, 0)


def test_streams_move_with_their_slot_when_time_is_set_back() -> None:
    shift = setting_back(-10 * SLOT_MS, T0)
    moved = shift.row(row(T0 + 20 * SLOT_MS, part(ONE)))
    assert moved == row(T0 + 10 * SLOT_MS, part(ONE))
    slot = SlotRow(slot=T0 + 20 * SLOT_MS, revision=1)
    assert shift.row(slot) == msgspec.structs.replace(slot, slot=T0 + 10 * SLOT_MS)


def test_oldest_streams_are_dropped_and_not_begun_again(journal: SqliteJournal) -> None:
    streams = {
        StreamId("live", f"stream-{number}"): StreamAddition(bytes_out=1, traffic="measured") for number in range(9)
    }
    with journal.transaction() as tx:
        head = Head(journal="j")
        for minute in range(10):
            head = write_additions(tx, head, Additions(streams={T0 + minute * SLOT_MS: streams}))
        one = len(msgspec.msgpack.encode(tx.get(SlotStreams, f"{T0}").parts))
        assert drop_oldest_streams(tx, head, T0, T0 + 1, most_bytes=4 * one) == head, "once in each slot"
        head = drop_oldest_streams(tx, head, T0, T0 + SLOT_MS, most_bytes=5 * one)
        kept = [minute for minute in range(10) if tx.get(SlotStreams, f"{T0 + minute * SLOT_MS}")]
        assert 3 <= len(kept) <= 5
        assert kept == list(range(10))[-len(kept) :]
        assert head.streams_from == T0 + kept[0] * SLOT_MS
        again = write_additions(tx, head, Additions(streams={T0: streams, T0 + 9 * SLOT_MS: streams}))
        assert tx.get(SlotStreams, f"{T0}") is None, "it would lack what is dropped"
        assert again.revision == head.revision + 1


def test_streams_of_slots_whose_rows_are_pruned_are_not_begun_again(journal: SqliteJournal) -> None:
    ledger = make_ledger(journal)
    read(ledger, 0)
    issue(ledger, stores_streams=True)
    read(ledger, 10_000)
    read(ledger, 3 * SLOT_MS)
    for now in (T0 + 2 * SLOT_MS, T0 + KEEP_ACKNOWLEDGED_MS + 2 * SLOT_MS):
        acknowledge(ledger, report_of(ledger), stores_streams=True, now=now)
    assert ledger.head.streams_from == T0 + 2 * SLOT_MS
    read(ledger, 3 * SLOT_MS + 10_000, ended=(line(7, 19_000, 3_000),))
    report = report_of(ledger)
    assert {row.slot for row in report.slots} == {T0 + 2 * SLOT_MS, T0 + 3 * SLOT_MS}
    assert {row.slot for row in report.stream_slots} == {T0 + 3 * SLOT_MS}


def test_report_has_the_newest_streams_that_fit() -> None:
    rows = [row(T0 + minute * SLOT_MS, part(ONE), part(TWO)) for minute in range(5)]
    samples = [
        SampleRow(slot=T0, scope="live", name=f"s{number}", revision=1, active=0, highest=0) for number in range(10)
    ]
    slots = [SlotRow(slot=T0, revision=1, connections={"rtmp": 1, "hls": 2})]
    selected = select_stream_rows([*rows, *samples, *slots], 10 + 3 + 5, 10**6)
    assert [(one.slot, one.name) for one in selected] == [
        (T0 + minute * SLOT_MS, name) for minute in (3, 4) for name in ("one", "two")
    ]
    assert select_stream_rows([*rows, *samples, *slots], 100, 14 * 210) == select_stream_rows(rows[4:], 100, 10**6)
    assert select_stream_rows([*rows, *samples, *slots], 100, 100) == ()


def test_size_of_rows_by_stream_is_estimated_from_above() -> None:
    largest = StreamSlotRow(
        slot=2**41,
        scope="s" * 40,
        name="n" * 40,
        revision=2**33,
        connections=99_999,
        bytes_in=2**40,
        bytes_out=2**40,
        view_time_ms=2**31,
        traffic="apportioned",
    )
    whole = part(
        StreamId(largest.scope, largest.name), 99_999, 2**40, bytes_in=2**40, view_time_ms=2**31, traffic="apportioned"
    )
    size = len(msgspec.json.encode(largest)) + 1
    assert select_stream_rows([row(2**41, whole)], 1, size - 1) == ()
    (selected,) = select_stream_rows([row(2**41, whole, revision=2**33)], 1, size + 60)
    assert selected == largest


def test_streams_are_filed_with_their_slots_after_a_time_line_that_was_ahead(journal: SqliteJournal) -> None:
    """Rows were pruned by a time that was a year ahead; the next run of the machine has the right time. Its units are
    filed in the oldest slot that the journal keeps, by stream as well.
    """
    year = 365 * 24 * 60 * SLOT_MS
    ledger = make_ledger(journal)

    def count(run: str, elapsed_ms: int) -> None:
        offset_ms = ledger.begin_run(run, elapsed_ms, T0)
        taken = reading(0, viewers=(viewer(1, elapsed_ms + 1_000),), run=run, elapsed_ms=elapsed_ms)
        ledger.record(msgspec.structs.replace(taken, at=elapsed_ms + offset_ms))

    ledger.begin_run("first", 0, T0)
    ledger.confirm_offset("first", T0 + year)
    count("first", 0)
    issue(ledger, stores_streams=True)
    count("first", 10_000)
    for now in (T0 + year - KEEP_ACKNOWLEDGED_MS, T0 + year):
        acknowledge(ledger, report_of(ledger), stores_streams=True, now=now)
    assert ledger.head.streams_from > T0 + year // 2
    count("second", 0)
    count("second", 10_000)
    ledger.confirm_offset("second", T0)
    count("second", 20_000)
    report = report_of(ledger)
    filed = {row.slot: row.view_time_ms for row in report.slots}
    assert filed.keys() == {ledger.head.discarded_to, T0 + year}
    assert {row.slot: row.view_time_ms for row in report.stream_slots} == filed

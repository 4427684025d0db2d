"""Rules of figures by stream: the newest revision wins, the late part, and no slot has less than its streams."""

from typing import Any

import msgspec
import pytest

from streamusage.api.report import Based, Baseline, PeakWindow, Report, SlotRow, SpanRow, StreamSlotRow
from streamusage.core.coverage import SLOT_MS
from streamusage.service.errors import ContradictionError
from streamusage.service.rules.apply import ServerState, StoredRows, accept_in_parts, apply_report
from streamusage.service.rules.stream_slots import (
    MOST_STREAMS,
    StoredStreams,
    StreamShare,
    merge_streams,
    move_streams,
    newer_streams,
)

T0 = 1_000 * SLOT_MS
NOW = T0 + 20_000
STATE = ServerState(server="edge-1", epoch=1, life="j.1", acknowledged=3, since=T0, watermark=T0)
NOTHING = StoredRows({}, {}, {})


def row(name: str, slot: int = T0, revision: int = 5, **figures: Any) -> StreamSlotRow:
    return StreamSlotRow(slot=slot, scope="live", name=name, revision=revision, **figures)


def share(name: str, sums: tuple[int, int, int, int], late: tuple[int, int, int, int] = (0, 0, 0, 0)) -> StreamShare:
    return StreamShare("live", name, "measured", *sums, *late)


def a_report(*streams: StreamSlotRow, slots: tuple[SlotRow, ...] | None = None) -> Report:
    whole = SlotRow(slot=T0, revision=5, connections={"rtmp": 3, "hls": 2}, bytes_in=10, bytes_out=100, view_time_ms=50)
    window = PeakWindow(T0, 0, 0)
    return Report(
        server="edge-1",
        role="edge",
        life="j.1",
        epoch=1,
        since=3,
        upto=9,
        sent_at=NOW,
        sync_interval_ms=10_000,
        based_on=Based(0, 0),
        baseline=Baseline(at=NOW, boot="b", started_at=0, since=T0, bytes_in=0, bytes_out=0, window=window),
        slots=(whole,) if slots is None else slots,
        spans=(SpanRow(from_ms=T0, to_ms=NOW, revision=4, state="counted"),),
        stream_slots=streams,
    )


def test_streams_of_a_slot_are_stored_in_order_with_the_slot() -> None:
    report = a_report(row("b", bytes_out=60, connections=5), row("a", bytes_out=40, bytes_in=10, view_time_ms=50))
    applied = apply_report(STATE, report, NOTHING, NOW)
    assert applied.streams == [StoredStreams(T0, 5, (share("a", (0, 10, 40, 50)), share("b", (5, 0, 60, 0))))]


def test_newest_revision_of_the_streams_of_a_slot_wins() -> None:
    stored = {T0: StoredStreams(T0, 7, (share("a", (0, 0, 9, 0)),))}
    assert newer_streams(stored, [row("a", revision=7, bytes_out=3)], lambda _slot: False) == []
    (newer,) = newer_streams(stored, [row("a", revision=8, bytes_out=12)], lambda _slot: False)
    assert newer == StoredStreams(T0, 8, (share("a", (0, 0, 12, 0)),))


def test_part_that_came_late_is_the_difference_to_what_was_there() -> None:
    stored = StoredStreams(T0, 1, (share("a", (1, 2, 30, 4)),))
    merged = merge_streams(stored, [row("a", connections=2, bytes_in=2, bytes_out=50, view_time_ms=9)], came_late=True)
    assert merged.shares == (share("a", (2, 2, 50, 9), (1, 0, 20, 5)),)
    again = merge_streams(merged, [row("a", connections=4, bytes_in=2, bytes_out=51, view_time_ms=9)], came_late=False)
    assert again.shares == (share("a", (4, 2, 51, 9), (1, 0, 20, 5)),)


def test_late_part_is_never_more_than_the_whole() -> None:
    stored = StoredStreams(T0, 1, (share("a", (0, 0, 30, 0), (0, 0, 20, 0)),))
    (smaller,) = merge_streams(stored, [row("a", bytes_out=10)], came_late=False).shares
    assert (smaller.bytes_out, smaller.late_bytes_out) == (10, 10)


def test_streams_of_a_slot_that_came_late_are_late() -> None:
    applied = apply_report(STATE, a_report(row("a", bytes_out=40)), NOTHING, NOW + 3_600_000)
    assert applied.streams[0].shares == (share("a", (0, 0, 40, 0), (0, 0, 40, 0)),)


@pytest.mark.parametrize(
    ("streams", "message"),
    [
        ((row("a", bytes_out=60), row("b", bytes_out=41)), "bytes_out of the streams"),
        ((row("a", bytes_in=11),), "bytes_in of the streams"),
        ((row("a", view_time_ms=51),), "view_time_ms of the streams"),
        ((row("a", connections=3), row("b", connections=3)), "connections of the streams"),
        ((row("a", slot=T0 + SLOT_MS),), "but not the slot"),
        ((row("a"), row("a")), "twice"),
        ((row("a"), row("b", revision=6)), "several revisions"),
        (tuple(row(f"{number}") for number in range(MOST_STREAMS + 1)), "at most 20000"),
    ],
)
def test_streams_that_are_no_parts_of_their_slot_are_refused(streams: tuple[StreamSlotRow, ...], message: str) -> None:
    with pytest.raises(ContradictionError, match=message):
        apply_report(STATE, a_report(*streams), NOTHING, NOW)
    with pytest.raises(ContradictionError, match=message):
        accept_in_parts(STATE, a_report(*streams), 2, {}, NOW)


def test_report_of_an_earlier_version_has_no_streams() -> None:
    body = msgspec.to_builtins(a_report())
    del body["stream_slots"]
    assert apply_report(STATE, msgspec.convert(body, Report), NOTHING, NOW).streams == []


def test_repair_moves_streams_and_adds_up_those_of_one_slot() -> None:
    def move(slot: int) -> int:
        return T0 if slot == T0 + 9 * SLOT_MS else slot

    stored = [
        StoredStreams(T0 + 9 * SLOT_MS, 3, (share("a", (1, 1, 1, 1)), share("c", (2, 2, 2, 2)))),
        StoredStreams(T0, 8, (share("a", (5, 5, 5, 5)), share("b", (7, 7, 7, 7), (1, 1, 1, 1)))),
    ]
    assert move_streams(stored, move) == {
        T0: StoredStreams(
            T0,
            8,
            (
                share("a", (6, 6, 6, 6), (1, 1, 1, 1)),
                share("b", (7, 7, 7, 7), (1, 1, 1, 1)),
                share("c", (2, 2, 2, 2), (2, 2, 2, 2)),
            ),
        )
    }

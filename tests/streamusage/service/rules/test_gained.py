"""What slots add to all that a server reported."""

from streamusage.api.report import SlotRow
from streamusage.service.rules.apply import LateFigures, StoredSlot
from streamusage.service.rules.gained import GainedFigures, gained_figures


def test_only_differences_to_stored_slots_are_gained() -> None:
    before = {60_000: StoredSlot(slot(60_000, 10, hls=2), LateFigures(bytes_in=4, connections={"hls": 1}))}
    after = [
        StoredSlot(slot(60_000, 15, hls=5), LateFigures(bytes_in=9, connections={"hls": 4})),
        StoredSlot(slot(120_000, 7, rtmp=1), LateFigures()),
    ]
    assert gained_figures(before, after) == [
        GainedFigures("hls", connections=3, late_connections=3),
        GainedFigures("rtmp", connections=1),
        GainedFigures("", bytes_in=12, bytes_out=24, late_bytes_in=5),
    ]


def test_equal_slots_gain_nothing() -> None:
    same = StoredSlot(slot(60_000, 10, hls=2), LateFigures())
    assert gained_figures({60_000: same}, [same]) == []


def slot(start: int, count: int, **connections: int) -> SlotRow:
    return SlotRow(slot=start, revision=1, bytes_in=count, bytes_out=2 * count, connections=connections)

"""Peaks and samples of combined traffic: of the minutes of all parts together, complete on every server."""

from streamusage.core.coverage import Interval
from streamusage.service.rules.combined_traffic import combine_traffic
from streamusage.service.rules.percentile import EXPECTED, OUT_OF_SERVICE, WHOLE
from streamusage.service.rules.rollups import MinuteTraffic, pack_minutes

QUARTER = Interval(900_000, 1_800_000)
ALL_WHOLE = bytes([WHOLE] * 3)


def traffic(*minutes: int) -> MinuteTraffic:
    sent = [*minutes, *[0] * (15 - len(minutes))]
    return MinuteTraffic(pack_minutes([0] * 15), pack_minutes(sent))


def test_peak_is_the_highest_minute_of_the_sum() -> None:
    combined = combine_traffic([traffic(60, 0, 30), traffic(0, 0, 31)], [ALL_WHOLE, ALL_WHOLE], QUARTER)
    assert combined.peak_out == (61 * 8_000 // 60_000, QUARTER.from_ms + 3 * 60_000)
    assert combined.peak_in is None
    assert combined.samples_out == [121, 0, 0]


def test_sample_counts_only_if_it_is_complete_on_every_server_that_ran() -> None:
    flags = [bytes([WHOLE, WHOLE, EXPECTED]), bytes([OUT_OF_SERVICE, EXPECTED, WHOLE])]
    combined = combine_traffic([traffic(1), traffic(2)], flags, QUARTER)
    assert (combined.samples_out, combined.expected) == ([3], 3)
    alone = combine_traffic([traffic(1, 2)], [bytes([OUT_OF_SERVICE, WHOLE, WHOLE])], QUARTER)
    assert (alone.samples_out, alone.expected, alone.peak_out) == ([0, 0], 2, (0, QUARTER.from_ms + 2 * 60_000))

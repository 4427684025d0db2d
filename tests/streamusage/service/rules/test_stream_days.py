"""Days by stream: parts of hours at quarters, the least exact word, and the rest of a server's figures."""

from streamusage.core.coverage import Interval
from streamusage.core.figures import StreamTraffic
from streamusage.core.usage import StreamId
from streamusage.service.rules.rollups import HOUR_MS, MinuteTraffic, pack_minutes, unpack_minutes
from streamusage.service.rules.stream_days import StreamDay, rest_of, sum_figures, sum_streams
from streamusage.service.rules.stream_hours import roll_up_streams
from streamusage.service.rules.stream_slots import StreamShare, share_columns

MINUTE = 60_000
T0 = 500_000 * HOUR_MS
A, B = StreamId("live", "a"), StreamId("live", "b")


def share(name: str, traffic: StreamTraffic, connections: int, bytes_out: int) -> StreamShare:
    return StreamShare("live", name, traffic, connections, 1, bytes_out, 0, 0, 0, 0, 0)


HOURS = sorted(
    roll_up_streams(
        (T0 + minute * MINUTE, share_columns(shares))
        for minute, shares in (
            (0, [share("a", "apportioned", 1, 10)]),
            (15, [share("a", "measured", 2, 20), share("b", "none", 1, 5)]),
            (60, [share("a", "measured", 4, 40)]),
            (119, [share("b", "measured", 8, 80)]),
        )
    ).items()
)


def test_whole_hours_add_up_with_their_minutes() -> None:
    days = sum_streams(HOURS, Interval(T0 - HOUR_MS, T0 + 3 * HOUR_MS), with_minutes=True)
    assert list(days) == [A, B]
    assert (days[A].traffic, days[B].traffic) == ("apportioned", "none")
    assert days[A].sums == (7, 3, 70, 0, 0, 0, 0, 0)
    minutes = unpack_minutes(days[A].minutes.bytes_out)
    assert len(minutes) == 4 * 60
    assert {at: sent for at, sent in enumerate(minutes) if sent} == {60: 10, 75: 20, 120: 40}


def test_interval_at_quarters_has_only_what_is_in_it() -> None:
    cut = Interval(T0 + 15 * MINUTE, T0 + 105 * MINUTE)
    days = sum_streams(HOURS, cut, with_minutes=True)
    assert days[A].traffic == "measured", "the apportioned part is before the interval"
    assert days[A].sums[:3] == (6, 2, 60)
    assert {at: sent for at, sent in enumerate(unpack_minutes(days[A].minutes.bytes_out)) if sent} == {0: 20, 45: 40}
    assert list(sum_streams(HOURS, Interval(T0, T0 + 15 * MINUTE), with_minutes=True)) == [A]
    assert sum_streams(HOURS, Interval(T0 + 30 * MINUTE, T0 + HOUR_MS), with_minutes=True) == {}


def test_sums_are_the_same_without_minutes() -> None:
    whole = Interval(T0, T0 + 2 * HOUR_MS)
    for stream, figures in sum_streams(HOURS, whole, with_minutes=False).items():
        assert figures == sum_streams(HOURS, whole, with_minutes=True)[stream]._replace(minutes=MinuteTraffic(b"", b""))


def test_streams_and_the_rest_sum_to_the_server() -> None:
    interval = Interval(T0, T0 + 2 * HOUR_MS)
    days = sum_streams(HOURS, interval, with_minutes=True)
    whole = [100, 90, 200, 7, 0, 0, 3, 0]
    minutes = MinuteTraffic(pack_minutes([3] * 120), pack_minutes([10, *[0] * 14, 100, *[40] * 45, *[80] * 59]))
    rest = rest_of(whole, minutes, days)
    assert rest.traffic is None
    assert [sum(both) for both in zip(sum_figures(list(days.values())), rest.sums, strict=True)] == whole
    left = unpack_minutes(rest.minutes.bytes_out)
    assert (left[0], left[15], left[60], left[119]) == (0, 75, 0, 0)
    assert unpack_minutes(rest.minutes.bytes_in)[15] == 1
    assert rest_of(whole, minutes, {}) == StreamDay(None, tuple(whole), minutes)
    assert rest_of(whole, MinuteTraffic(b"", b""), days).sums == rest.sums


def test_late_part_of_the_rest_may_be_negative() -> None:
    figures = StreamDay("measured", (1, 0, 9, 0, 1, 0, 9, 0), MinuteTraffic(b"", b""))
    rest = rest_of([1, 0, 9, 0, 0, 0, 2, 0], MinuteTraffic(b"", b""), {A: figures})
    assert rest.sums == (0, 0, 0, 0, -1, 0, -7, 0)
